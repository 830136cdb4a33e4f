package config

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/yagura-hids/yagura/internal/osxml"
)

// ReadClient reads a <client> section into c, for those who send as an agent does.
func ReadClient(e *osxml.Element, c *Client, faults *osxml.Faults) {
	r := newReader(Host{})
	r.config.Client = *c
	r.client(e)
	*c = r.config.Client
	faults.Append(e.Pos.File, r.faults.Err())
}

func (r *reader) client(e *osxml.Element) {
	c := &r.config.Client
	for _, child := range e.Children {
		text := strings.TrimSpace(child.Content)
		switch name := strings.ToLower(child.Name); name {
		case "uplink":
			r.uplink(child, text)
		case "region":
			r.fitting(child, regionForm, "name one as eu-central-1", &c.Region)
		case "central":
			r.fitting(child, pathForm, "write a path as /yagura/agents", &c.Central)
		case "config-profile", "config_profile":
			c.Profiles = append(c.Profiles, list(text)...)
		case "notify_time":
			r.seconds(child, &c.Heartbeat)
		case "gather":
			r.seconds(child, &c.Gather)
		case "spool_size":
			r.size(child, 1<<16, &c.SpoolSize)
		case "remote_commands":
			r.yes(child, &c.RemoteCommands)
		default:
			if !connecting[name] {
				r.faults.Add(child.Pos, "known are uplink, region, central, config-profile, notify_time, gather, spool_size, remote_commands",
					"client: unknown element <%s>", child.Name)
				continue
			}
			r.unused("client <" + child.Name + ">") // batches go to a stream, not to a server
		}
	}
}

var (
	streamForm = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)
	regionForm = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$`)
	pathForm   = regexp.MustCompile(`^(/[a-zA-Z0-9_.-]+)+/?$`)
)

func (r *reader) fitting(e *osxml.Element, form *regexp.Regexp, hint string, into *string) {
	text := strings.TrimSpace(e.Content)
	if !form.MatchString(text) {
		r.faults.Add(e.Pos, hint, "<%s> is %q", e.Name, text)
		return
	}
	*into = strings.TrimSuffix(text, "/")
}

func (r *reader) uplink(e *osxml.Element, text string) {
	kind, rest, _ := strings.Cut(text, ":")
	var good bool
	switch kind {
	case "kinesis":
		good = streamForm.MatchString(rest)
	case "file":
		good = filepath.IsAbs(rest)
	case "http", "https":
		u, err := url.Parse(text)
		good = err == nil && u.Host != ""
	}
	if !good {
		r.faults.Add(e.Pos, "write kinesis:STREAM, file:/DIRECTORY, or a URL of http or https", "<uplink> is %q", text)
		return
	}
	r.config.Client.Uplink = text
}

// labels reads Wazuh's section.
func (r *reader) labels(e *osxml.Element) {
	for _, child := range e.Children {
		if !strings.EqualFold(child.Name, "label") {
			r.faults.Add(child.Pos, `write <label key="KEY">VALUE</label>`, "labels: unknown element <%s>", child.Name)
			continue
		}
		for _, a := range child.Attrs {
			switch strings.ToLower(a.Name) {
			case "key":
			case "hidden":
				r.unused("label hidden=")
			default:
				r.faults.Add(a.Pos, "known are key and hidden", "label: unknown attribute %s", a.Name)
			}
		}
		key, _ := child.Attr("key")
		if key == "" {
			r.faults.Add(child.Pos, `write <label key="KEY">VALUE</label>`, "label without key")
			continue
		}
		r.config.Client.Labels[key] = strings.TrimSpace(child.Content)
	}
}

// SetRegion tells the AWS SDK the region, which all its clients of this process read from the environment.
func (c Client) SetRegion() error {
	if c.Region == "" {
		return nil
	}
	return os.Setenv("AWS_REGION", c.Region)
}

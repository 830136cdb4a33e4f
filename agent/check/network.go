package check

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/agent/central"
	"github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/agent/uplink"
)

// networkWithin is how long each answer may take.
const networkWithin = 20 * time.Second

// aws looks for a region and credentials, and at the clock, if anything of AWS is used.
func (c *checker) aws(ctx context.Context) {
	const name = "credentials"
	if !strings.HasPrefix(c.conf.Client.Uplink, "kinesis:") && c.conf.Client.Central == "" {
		return
	}
	if err := c.conf.Client.SetRegion(); err != nil {
		c.add(name, Fail, "", "%v", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, networkWithin)
	defer cancel()
	conf, err := uplink.Config(ctx)
	if err != nil {
		seen, hint := split(err)
		c.add(name, Fail, hint, "%s", seen)
		return
	}
	found, err := conf.Credentials.Retrieve(ctx)
	if err != nil {
		c.add(name, Fail, "run this again", "%v", err)
		return
	}
	c.region = conf.Region
	c.add(name, OK, "", "%s, from %s; region %s", found.AccessKeyID, found.Source, conf.Region)
	endpoint := "https://kinesis." + conf.Region + ".amazonaws.com"
	if strings.HasPrefix(conf.Region, "cn-") {
		endpoint += ".cn"
	}
	if conf.BaseEndpoint != nil {
		endpoint = *conf.BaseEndpoint
	}
	c.clock(ctx, endpoint)
}

// AWS refuses a signature whose time is off by more than 5 minutes.
const (
	refusedSkew = 5 * time.Minute
	warnedSkew  = 30 * time.Second
)

// clock compares this host's clock with the time of any answer, to whose time no signature is needed.
func (c *checker) clock(ctx context.Context, endpoint string) {
	const name, hint = "clock", "set the clock: see that chronyd, systemd-timesyncd or w32time runs; AWS's own time is at 169.254.169.123"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		c.add(name, Fail, "see AWS_ENDPOINT_URL", "%v", err)
		return
	}
	sent := c.Now()
	answer, err := c.HTTP.Do(req)
	if err != nil {
		c.add(name, Warn, "see that this host gets out to it on port 443, through HTTPS_PROXY or a VPC endpoint", "no answer: %v", err)
		return
	}
	defer answer.Body.Close()
	theirs, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		c.add(name, Warn, "", "%s tells no time", endpoint)
		return
	}
	skew := sent.Sub(theirs).Round(time.Second)
	switch away := skew.Abs(); {
	case away >= refusedSkew:
		c.add(name, Fail, hint, "%v off: AWS refuses what is signed now", skew)
	case away >= warnedSkew:
		c.add(name, Warn, hint, "%v off", skew)
	default:
		c.add(name, OK, "", "%v off", skew)
	}
}

func (c *checker) uplink(ctx context.Context) {
	const name = "uplink"
	to := c.conf.Client.Uplink
	if to == "" {
		c.add(name, Fail, "write <client><uplink>kinesis:STREAM</uplink></client>; the stack's outputs name the stream", "nothing says where to send")
		return
	}
	if strings.HasPrefix(to, "kinesis:") && c.region == "" {
		return // the credentials' failure says it
	}
	u, err := uplink.Open(to, uplink.Options{Agent: c.Agent, Timeout: networkWithin})
	if err == nil {
		err = u.Check(ctx)
	}
	if err != nil {
		seen, hint := split(err)
		c.add(name, Fail, hint, "%s", seen)
		return
	}
	c.add(name, OK, "", "%v would take batches", u)
}

// split takes an error of the house's form apart: what happened; what to do.
func split(err error) (seen, hint string) {
	seen, hint, _ = strings.Cut(err.Error(), "; ")
	return seen, hint
}

func (c *checker) central(ctx context.Context) {
	const name = "central configuration"
	client := c.conf.Client
	if client.Central == "" || c.region == "" {
		return
	}
	texts, err := c.fetch(ctx)
	if err != nil {
		seen, hint := split(err)
		c.add(name, Fail, hint, "%s", seen)
		return
	}
	if len(texts) == 0 {
		c.add(name, Warn, "put agent.conf there, or see that <central> and <config-profile> are right", "nothing below %s for profile %s",
			client.Central, strings.Join(central.Profiles(client.Profiles), ", "))
		return
	}
	conf, err := config.Read(c.Host, c.Files, texts...)
	if err != nil {
		c.add(name, Fail, "mend these parameters: until then, agents keep the configuration that they have", "%v", err)
		return
	}
	c.add(name, OK, "", "%d parameters; with them, %d logs, %d directories; hash %s", len(texts), len(conf.Sources), len(conf.Syscheck.Directories), conf.Hash)
	for _, note := range conf.Notes {
		if strings.HasPrefix(note, "ssm:") {
			c.add(name, Warn, "see that this is meant so", "%s", note)
		}
	}
}

func (c *checker) fetch(ctx context.Context) ([]config.Text, error) {
	ctx, cancel := context.WithTimeout(ctx, networkWithin)
	defer cancel()
	texts, err := central.Fetch(ctx, central.Connect(uplink.Config), c.conf.Client.Central, central.Profiles(c.conf.Client.Profiles))
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.New("SSM does not answer; see that this host gets out to it on port 443, through HTTPS_PROXY or a VPC endpoint for ssm")
	}
	return texts, err
}

package check

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// unit is the agent's service.
const unit = "yagura-agent.service"

// sandbox tells what the service would not see though this command does.
func (c *checker) sandbox(ctx context.Context) {
	if b, err := os.ReadFile(filepath.Join("/", c.Host.Root, "/sys/fs/selinux/enforce")); err == nil && strings.TrimSpace(string(b)) == "1" {
		c.add("selinux", OK, "if something stays unread: ausearch -m avc -c yagura-agent", "enforcing")
	}
	ctx, cancel := context.WithTimeout(ctx, programWithin)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", "show", unit, "--property=LoadState,ProtectHome,PrivateTmp,InaccessiblePaths").Output()
	if err != nil {
		return // no systemd here
	}
	c.unit(properties(string(out)))
}

func properties(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		out[key] = value
	}
	return out
}

// unit compares the service's properties with what is to be read.
func (c *checker) unit(p map[string]string) {
	if p["LoadState"] != "loaded" {
		return
	}
	hidden := map[string]string{} // folders, by the property that hides them
	if home := p["ProtectHome"]; home == "yes" || home == "tmpfs" {
		hidden["/home"], hidden["/root"], hidden["/run/user"] = "ProtectHome", "ProtectHome", "ProtectHome"
	}
	if p["PrivateTmp"] == "yes" {
		hidden["/tmp"], hidden["/var/tmp"] = "PrivateTmp", "PrivateTmp"
	}
	for _, path := range strings.Fields(p["InaccessiblePaths"]) {
		hidden[strings.TrimLeft(path, "-+")] = "InaccessiblePaths"
	}
	var said []string
	for _, path := range c.paths() {
		for dir, property := range hidden {
			if path == dir || strings.HasPrefix(path, dir+"/") {
				said = append(said, path+" ("+property+")")
			}
		}
	}
	if len(said) == 0 {
		c.add("service", OK, "", "%s hides nothing that is to be read", unit)
		return
	}
	slices.Sort(said)
	c.add("service", Warn, "systemctl edit "+unit+", and set the property to no", "%s hides %s", unit, strings.Join(said, ", "))
}

// paths returns what is to be read.
func (c *checker) paths() []string {
	var list []string
	for _, s := range c.conf.Sources {
		list = append(list, s.Location)
	}
	for _, d := range c.conf.Syscheck.Directories {
		list = append(list, d.Path)
	}
	return list
}

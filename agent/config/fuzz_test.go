package config_test

import (
	"errors"
	"testing"

	"github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/internal/osxml"
)

// Whatever the texts are, they are taken, or refused with faults that have places; what central configuration may not say has no effect.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{agent, wazuh, windows, "<agent_config os=\"linux|^x$\"><syscheck><directories>/,//</directories></syscheck></agent_config>"} {
		f.Add(seed, seed, true)
		f.Add("", seed, false)
	}
	f.Fuzz(func(t *testing.T, local, central string, unix bool) {
		host := config.Host{System: "windows", Name: "x"}
		if unix {
			host = web1
		}
		texts := []config.Text{{Name: "l", Source: []byte(local)}, {Name: "c", Source: []byte(central), Central: true}}
		got, err := config.Parse(host, texts...)
		var faults *osxml.FaultError
		if err != nil && (!errors.As(err, &faults) || len(faults.Faults) == 0 || faults.Faults[0].Pos.File == "") {
			t.Fatalf("%v", err)
		}
		alone, _ := config.Parse(host, texts[0])
		if got.Client.Uplink != alone.Client.Uplink || got.Client.RemoteCommands != alone.Client.RemoteCommands {
			t.Error("central configuration changed the client")
		}
		if !got.Client.RemoteCommands && commands(got) > commands(alone) {
			t.Errorf("a command came in: %+v", got.Sources)
		}
		for _, d := range got.Syscheck.Directories {
			if d.Path == "" || d.Recursion < -1 {
				t.Errorf("%+v", d)
			}
		}
	})
}

func commands(c *config.Config) (n int) {
	for _, s := range c.Sources {
		if s.Format == "command" || s.Format == "full_command" {
			n++
		}
	}
	if c.Syscheck.Prefilter != nil {
		n++
	}
	return n
}

package wire_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/wire"
)

const sum1, sum2 = "b8a8d0d3a0cc9b7ac8b1c2d3e4f5a640", "ce7c4d5e6f708192a3b4c5d6e7f884ac"

var keepalives = map[string]wire.Keepalive{
	"#!-Linux web1 6.18.44-1 #1 SMP PREEMPT_DYNAMIC @0 x86_64 - OSSEC HIDS v4.2.0 / " + sum1 + "\n" + sum2 + " merged.mg\n\nnVsTJtOA&j#$": {
		Uname: "Linux web1 6.18.44-1 #1 SMP PREEMPT_DYNAMIC @0 x86_64", Sysname: "Linux", Node: "web1", Version: "OSSEC HIDS v4.2.0", Config: sum1,
		Files: []wire.FileSum{{Name: "merged.mg", Sum: sum2}},
	},
	"#!-Linux web1.example.org 3.2.0 #1 SMP - x x86_64 - OSSEC HIDS v2.8.3\nx merged.mg\n\n" + sum1 + " random.txt\n": {
		Uname: "Linux web1.example.org 3.2.0 #1 SMP - x x86_64", Sysname: "Linux", Node: "web1.example.org", Version: "OSSEC HIDS v2.8.3",
		Files: []wire.FileSum{{Name: "merged.mg", Sum: "x"}},
	},
	"#!-FreeBSD bsd_1 14.1 FreeBSD 14.1 GENERIC amd64 - OSSEC HIDS v2.7\n" + sum1 + " agent.conf\n" + sum2 + " rootkit_files.txt\nnonsense\n": {
		Uname: "FreeBSD bsd_1 14.1 FreeBSD 14.1 GENERIC amd64", Sysname: "FreeBSD", Node: "bsd_1", Version: "OSSEC HIDS v2.7",
		Files: []wire.FileSum{{Name: "agent.conf", Sum: sum1}, {Name: "rootkit_files.txt", Sum: sum2}},
	},
	"#!-Microsoft Windows Server 2019 Standard (Build 17763) - OSSEC HIDS v3.8.0 / " + sum1 + "\n" + sum2 + " merged.mg\n": {
		Uname: "Microsoft Windows Server 2019 Standard (Build 17763)", Sysname: "Windows", Version: "OSSEC HIDS v3.8.0", Config: sum1,
		Files: []wire.FileSum{{Name: "merged.mg", Sum: sum2}},
	},
	"#!-Linux |web1 |6.1.0 |#1 SMP |x86_64 [Debian GNU/Linux|debian: 12 (bookworm)] - Wazuh v4.9.2 / " + sum1 + "\n\"env\":\"prod\"\n!\"hidden\":\"a:b\"\n" +
		sum2 + " merged.mg\n#\"_agent_ip\":192.0.2.7\n": {
		Uname: "Linux |web1 |6.1.0 |#1 SMP |x86_64 [Debian GNU/Linux|debian: 12 (bookworm)]", Sysname: "Linux", Node: "web1", Version: "Wazuh v4.9.2",
		Config: sum1, Files: []wire.FileSum{{Name: "merged.mg", Sum: sum2}},
		Labels: []wire.Label{{Name: "env", Value: "prod"}, {Name: "hidden", Value: "a:b"}, {Name: "_agent_ip", Value: "192.0.2.7"}},
	},
	"#!-Linux ../../etc 1 2 x86_64 - OSSEC HIDS v4.2.0\n": {
		Uname: "Linux ../../etc 1 2 x86_64", Sysname: "Linux", Version: "OSSEC HIDS v4.2.0",
	},
	"#!-No system info available - OSSEC HIDS v2.8.3\n": {Uname: "No system info available", Version: "OSSEC HIDS v2.8.3"},
	"#!-Linux": {Uname: "Linux"},
}

func TestParseKeepalive(t *testing.T) {
	for text, want := range keepalives {
		k, err := wire.ParseKeepalive([]byte(text))
		if diff := cmp.Diff(want, k); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", text, err, diff)
		}
	}
}

func TestMergedSum(t *testing.T) {
	k, err := wire.ParseKeepalive([]byte("#!-Linux\n" + sum1 + " agent.conf\n"))
	if err != nil || k.MergedSum() != "" {
		t.Errorf("%q %v", k.MergedSum(), err)
	}
	k, err = wire.ParseKeepalive([]byte("#!-Linux\n" + sum1 + " agent.conf\nx merged.mg\n"))
	if err != nil || k.MergedSum() != "x" {
		t.Errorf("%q %v", k.MergedSum(), err)
	}
}

func TestNoKeepalive(t *testing.T) {
	for _, text := range []string{"", "#!-", "#!-\nx merged.mg", "#!-agent startup ", "#!-agent ack ", "1:a:b", "#!-req 7 getstate", "#!- \n"} {
		if k, err := wire.ParseKeepalive([]byte(text)); !errors.Is(err, wire.ErrFormat) {
			t.Errorf("%q: %+v %v", text, k, err)
		}
	}
}

// FuzzKeepalive holds that nothing is taken for a name or a checksum that isn't like one.
func FuzzKeepalive(f *testing.F) {
	for text := range keepalives {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := wire.ParseKeepalive(text)
		if err != nil {
			return
		}
		if strings.ContainsAny(k.Node, "/\\ \n\x00:") || strings.HasPrefix(k.Node, ".") || len(k.Node) > 255 {
			t.Errorf("node %q", k.Node)
		}
		if k.Config != "" && len(k.Config) != 32 || strings.Contains(k.Uname+k.Version, "\n") {
			t.Errorf("%+v", k)
		}
		for _, file := range k.Files {
			if file.Sum != "x" && len(file.Sum) != 32 || file.Name == "" || strings.Contains(file.Name, "\n") {
				t.Errorf("file %+v", file)
			}
		}
	})
}

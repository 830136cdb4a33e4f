package ruleset_test

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/ruleset"
)

// A pattern that only a backtracking engine knows, and a line written to be slow, are told of.
func TestOverruns(t *testing.T) {
	set, err := ruleset.Load(fstest.MapFS{
		"decoder.xml": {Data: []byte(`<decoder name="d"><prematch>^never</prematch></decoder>`)},
		"rules/rules_config.xml": {Data: []byte(`<group name="syslog,">
			<rule id="1" level="0" noalert="1"><category>syslog</category></rule>
			<rule id="100" level="5"><pcre2>(?=b)?(x+x+)+(?=y)</pcre2></rule></group>`)},
	}, config.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Overruns(); len(got) != 0 {
		t.Fatalf("before any line: %q", got)
	}
	ev := event.Event{ID: event.ID{Agent: "a"}, Time: time.Unix(0, 0), Location: "l", Text: strings.Repeat("x", 200)}
	if _, err := analysis.New(set, analysis.Options{}).Analyze(&ev, analysis.NewMemory(0)); err != nil {
		t.Fatal(err)
	}
	if got := set.Overruns(); len(got) != 1 || !strings.Contains(got[0], "(?=b)?(x+x+)+(?=y)") {
		t.Fatalf("after the slow line: %q", got)
	}
}

package rule_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/pattern"
)

// written is a rule as the random sets below write it, and as the slow reference asks it.
type written struct {
	id, level, accuracy int
	parents             []int // none: below the template
	ifLevel             int
	match, regex, field string
	decoder             int // 0 for any
	noAlert             bool
}

var decoderNames = []string{"", "sshd", "su", "cron", "web", "pam", "sudo"}

func (w *written) xml() string {
	attrs := fmt.Sprintf(`id="%d" level="%d" accuracy="%d"`, w.id, w.level, w.accuracy)
	if w.noAlert {
		attrs += ` noalert="1"`
	}
	var b strings.Builder
	element := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "<%s>%s</%s>", name, text, name)
		}
	}
	element("if_sid", strings.Trim(strings.ReplaceAll(fmt.Sprint(w.parents), " ", ", "), "[]"))
	if w.ifLevel > 0 {
		element("if_level", fmt.Sprint(w.ifLevel))
	}
	element("decoded_as", decoderNames[w.decoder])
	element("match", w.match)
	element("pcre2", w.regex)
	element("user", w.field)
	element("description", "x")
	return "<rule " + attrs + ">" + b.String() + "</rule>\n"
}

// words are what random patterns and events are made of.
var words = []string{"alpha", "beta", "user", "from", "port", "id", "gamma"}

func word(r *rand.Rand) string { return words[r.IntN(len(words))] }

func maybe(r *rand.Rand, text string) string {
	if r.IntN(3) > 0 {
		return ""
	}
	return text
}

func randomRules(r *rand.Rand) []*written {
	var set []*written
	for i := range 2 + r.IntN(25) {
		w := &written{
			id: 100 + i, level: r.IntN(6), accuracy: min(1, r.IntN(8)), match: maybe(r, word(r)+maybe(r, "|^"+word(r))), regex: maybe(r, word(r)+`\s`+word(r)),
			field: maybe(r, "jo"), decoder: max(0, r.IntN(12)-5), noAlert: r.IntN(6) == 0,
		}
		switch r.IntN(5) {
		case 0:
			w.ifLevel = 1 + r.IntN(5)
		case 1, 2, 3:
			for range r.IntN(3) {
				if i > 0 {
					w.parents = append(w.parents, 100+r.IntN(i))
				}
			}
		}
		if len(w.parents) > 0 {
			w.ifLevel = 0
		}
		set = append(set, w)
	}
	return set
}

// reference finds the rule that holds by walking the written rules: no index, no tables, children sorted anew each time.
type reference struct {
	set        []*written
	log, user  string
	decoder    int
	considered int
}

func sortLevel(w *written) int {
	switch {
	case w.level == 0:
		return 9900
	case w.accuracy == 0:
		return w.level
	}
	return 100 * w.level
}

// children returns what hangs below a rule, nil for the template.
func (ref *reference) children(parent *written) []*written {
	var list []*written
	for i, w := range ref.set {
		below := false
		switch {
		case len(w.parents) > 0:
			below = parent != nil && slices.Contains(w.parents, parent.id)
		case w.ifLevel > 0:
			below = parent == nil || slices.Index(ref.set, parent) < i && sortLevel(parent) >= 100*w.ifLevel
		default:
			below = parent == nil
		}
		if below {
			list = append(list, w)
		}
	}
	slices.SortStableFunc(list, func(a, b *written) int { return sortLevel(b) - sortLevel(a) })
	return list
}

func matches(dialect pattern.Dialect, source, subject string) bool {
	p, err := pattern.Compile(dialect, source)
	return err == nil && p.MatchString(subject)
}

func (ref *reference) holds(w *written) bool {
	ref.considered++
	return (w.decoder == 0 || w.decoder == ref.decoder) && (w.match == "" || matches(pattern.OSMatch, w.match, ref.log)) &&
		(w.regex == "" || matches(pattern.PCRE, w.regex, ref.log)) && (w.field == "" || ref.user != "" && matches(pattern.OSMatch, w.field, ref.user))
}

func (ref *reference) first(children []*written) int {
	for _, w := range children {
		if ref.considered > 20000 || !ref.holds(w) {
			continue
		}
		if id := ref.first(ref.children(w)); id > 0 {
			return id
		}
		if !w.noAlert {
			return w.id
		}
	}
	return 0
}

// agree judges an event with random rules both ways.
func agree(t *testing.T, seed uint64, log, user string, decoder int) {
	t.Helper()
	set := randomRules(rand.New(rand.NewPCG(seed, 1)))
	var src strings.Builder
	for _, w := range set {
		src.WriteString(w.xml())
	}
	b, err := tryLoad(t, strings.SplitAfter(templates, "</group>")[0], group(src.String()))
	if err != nil {
		t.Fatal(err)
	}
	ref := reference{set: set, log: log, user: user, decoder: decoder}
	want := ref.first(ref.children(nil))
	if ref.considered > 20000 {
		return
	}
	d := newEvent(log)
	d.DecoderID = decoder
	if user != "" {
		fill(d, "srcuser="+strings.ReplaceAll(user, " ", ""))
		ref.user, _ = d.Get(1)
	}
	if got := b.judge(d); got != want {
		t.Errorf("%q, user %q, decoder %d: rule %d, want %d\n%s", log, user, decoder, got, want, src.String())
	}
}

func TestReference(t *testing.T) {
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 2))
		line := make([]string, r.IntN(9))
		for i := range line {
			line[i] = word(r)
		}
		agree(t, seed, strings.Join(line, []string{" ", " ", "  ", "\u017f"}[r.IntN(4)]), []string{"", "joe", "jim"}[r.IntN(3)], r.IntN(7))
	}
}

func FuzzRules(f *testing.F) {
	f.Add(uint64(1), "alpha beta user joe from 192.0.2.1 port 22", "joe", uint8(1))
	f.Add(uint64(7), "alpha\u212a beta id gamma", "", uint8(0))
	f.Add(uint64(9), "\xff\xfe user  from\x00port", "\xff", uint8(9))
	f.Fuzz(func(t *testing.T, seed uint64, log, user string, decoder uint8) {
		if strings.ContainsAny(user, " \t\r\n\v\f\u0085\u00a0=") {
			user = "jo"
		}
		agree(t, seed, log, user, int(decoder%7))
	})
}

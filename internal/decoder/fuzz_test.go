package decoder_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/pattern"
)

// written is a decoder as the random sets below write it and as the slow reference runs it. Empty texts are elements left out.
type written struct {
	name, parent                          string
	program, prematch, prematchOffset     string
	regex, regexOffset, order, kind, flag string
}

func (w *written) xml() string {
	var b strings.Builder
	element := func(name, attr, text string) {
		if text == "" {
			return
		}
		if attr != "" {
			attr = ` offset="` + attr + `"`
		}
		fmt.Fprintf(&b, "<%s%s>%s</%s>", name, attr, text, name)
	}
	element("parent", "", w.parent)
	element("program_name", "", w.program)
	element("prematch", w.prematchOffset, w.prematch)
	element("pcre2", w.regexOffset, w.regex)
	element("order", "", w.order)
	element("type", "", w.kind)
	element("use_own_name", "", w.flag)
	return `<decoder name="` + w.name + `">` + b.String() + "</decoder>\n"
}

// words are what random patterns and lines are made of.
var words = []string{"alpha", "beta", "user", "from", "port", "id", "k=", "gamma"}

func word(r *rand.Rand) string { return words[r.IntN(len(words))] }

func maybe(r *rand.Rand, text string) string {
	if r.IntN(2) == 0 {
		return ""
	}
	return text
}

// randomSet writes decoders that load without a fault.
func randomSet(r *rand.Rand) []*written {
	var set []*written
	for i := range 1 + r.IntN(4) {
		top := &written{name: fmt.Sprintf("p%d", i), prematch: maybe(r, "^"+word(r)), kind: maybe(r, "ids")}
		if top.prematch == "" || r.IntN(3) == 0 {
			top.program = maybe(r, "^") + "prog" + maybe(r, "|x$")
		}
		if r.IntN(3) == 0 {
			top.regex, top.order, top.regexOffset = `(\w+) (\w+)`, "user, own", "after_prematch"
		}
		set = append(set, top)
		for range r.IntN(5) {
			set = append(set, randomChild(r, set, top.name))
		}
	}
	return set
}

func randomChild(r *rand.Rand, set []*written, parent string) *written {
	c := &written{name: fmt.Sprintf("%s-%d", parent, r.IntN(3)), parent: parent, kind: maybe(r, "windows"), flag: maybe(r, "true")}
	fields := []string{"srcip", "id", "url", "own", "other"}
	c.order = fields[r.IntN(len(fields))] + ", " + fields[r.IntN(len(fields))]
	c.regex = word(r) + ` ?(\w+)` + maybe(r, ` (\w+)`)
	offsets := []string{"", "after_parent"}
	continues := false
	for _, w := range set {
		continues = continues || w.name == c.name
	}
	if continues {
		offsets = append(offsets, "after_regex")
	} else if c.prematch = maybe(r, word(r)); c.prematch != "" {
		c.prematchOffset = maybe(r, "after_parent")
		offsets = append(offsets, "after_prematch")
	}
	c.regexOffset = offsets[r.IntN(len(offsets))]
	return c
}

func randomLine(r *rand.Rand) string {
	line := make([]string, r.IntN(9))
	for i := range line {
		line[i] = word(r)
	}
	return strings.Join(line, []string{" ", "", "  ", "\u017f"}[r.IntN(4)])
}

// reference decodes as OSSEC's documentation tells it: without an index, on strings cut out of the log. It differs from OSSEC as the package
// does: dynamic fields keep their names, and a chain goes on behind siblings of other names. With wazuh, it does as Wazuh.
type reference struct {
	wazuh                 bool
	decoder, parent, kind string
	fields                map[string]string
}

// match returns the captures and the rest behind a match.
func match(dialect pattern.Dialect, source, subject string) (captures []string, rest string, ok bool) {
	p, err := pattern.Compile(dialect, source)
	if err != nil {
		return nil, "", false
	}
	var text pattern.Text
	text.Reset(subject)
	captures, end, ok := p.Find(&text, 0, nil)
	if !ok {
		return nil, "", false
	}
	return captures, subject[end:], true
}

func (ref *reference) run(set []*written, program, log string) {
	ref.kind, ref.fields = "", map[string]string{}
	for _, top := range set {
		if top.parent != "" || (top.program != "") != (program != "") {
			continue
		}
		if _, _, ok := match(pattern.OSMatch, top.program, program); top.program != "" && !ok {
			continue
		}
		rest := log
		if top.prematch != "" {
			var ok bool
			if _, rest, ok = match(pattern.OSRegex, top.prematch, log); !ok {
				continue
			}
		}
		ref.report(top)
		ref.below(set, top, log, rest)
		return
	}
}

func (ref *reference) below(set []*written, top *written, log, parentRest string) {
	chains := map[string][]*written{}
	var names []string
	for _, c := range set {
		if c.parent != top.name {
			continue
		}
		if chains[c.name] == nil {
			names = append(names, c.name)
		}
		chains[c.name] = append(chains[c.name], c)
	}
	if len(names) == 0 {
		ref.extract([]*written{top}, log, parentRest, parentRest)
		return
	}
	for _, name := range names {
		head, childRest := chains[name][0], parentRest
		if head.prematch != "" {
			subject := log
			if head.prematchOffset == "after_parent" {
				subject = parentRest
			}
			_, rest, ok := match(pattern.OSRegex, head.prematch, subject)
			if !ok {
				continue
			}
			childRest = rest
			ref.report(head)
		}
		ref.extract(chains[name], log, parentRest, childRest)
		return
	}
}

func (ref *reference) extract(chain []*written, log, parentRest, childRest string) {
	regexRest := childRest
	for _, c := range chain {
		if c.regex == "" {
			return
		}
		subject := map[string]string{"": log, "after_parent": parentRest, "after_prematch": childRest, "after_regex": regexRest}[c.regexOffset]
		captures, rest, ok := match(pattern.PCRE, c.regex, subject)
		if !ref.wazuh {
			regexRest = childRest
		}
		if !ok {
			continue
		}
		if regexRest = rest; !ref.wazuh {
			ref.report(c)
		}
		for i, name := range strings.Split(c.order, ", ") {
			_, first := ref.fields[name]
			if i < len(captures) && !(ref.wazuh && first && strings.HasPrefix(name, "o")) { // own and other are dynamic
				ref.fields[strings.Replace(name, "user", "dstuser", 1)] = captures[i]
			}
		}
	}
}

func (ref *reference) report(w *written) {
	ref.decoder, ref.parent, ref.kind = w.name, w.parent, w.kind
	if w.parent != "" && w.flag == "" {
		ref.decoder = w.parent
	}
}

// agree decodes a line both ways, in both dialects, and also with an index that rules nothing out.
func agree(t *testing.T, seed uint64, program, log string) {
	t.Helper()
	agreeAs(t, false, seed, program, log)
	agreeAs(t, true, seed, program, log)
}

func agreeAs(t *testing.T, wazuh bool, seed uint64, program, log string) {
	t.Helper()
	set := randomSet(rand.New(rand.NewPCG(seed, 1)))
	var src strings.Builder
	for _, w := range set {
		src.WriteString(w.xml())
	}
	b, err := tryLoadAs(t, wazuh, src.String())
	if err != nil {
		t.Fatal(err)
	}
	want := reference{wazuh: wazuh}
	want.run(set, program, log)
	check := func(d *event.Decoded, how string) {
		got := map[string]string{}
		for f := range event.NumFields {
			if v, ok := d.Get(f); ok {
				got[f.String()] = v
			}
		}
		for _, f := range d.Dynamics() {
			got[f.Name] = f.Value
		}
		if want.kind == "" {
			want.kind = "syslog"
		}
		if d.Decoder != want.decoder || d.Parent != want.parent || d.Category.String() != want.kind || !maps.Equal(got, want.fields) {
			t.Errorf("%s: %q %q\n got %s (below %q, %s) %v\nwant %s (below %q, %s) %v\n%s", how, program, log, d.Decoder, d.Parent, d.Category, got,
				want.decoder, want.parent, want.kind, want.fields, src.String())
		}
	}
	check(b.decode(program, log), "indexed")
	check(b.decodeAll(program, log), "not indexed")
}

// decodeAll is decode with an index that takes every pattern for possible.
func (b *bench) decodeAll(program, log string) *event.Decoded {
	d := &b.decoded
	d.Reset(&event.Event{Text: log})
	d.Program, d.Log, d.FullLog = program, log, log
	b.text.Reset(log)
	everything.Scan(&b.text, &b.hits)
	b.tree.Decode(d, &b.text, &b.hits)
	return d
}

// everything is an index of more patterns than a random set has, none with a literal.
var everything = func() *pattern.Index {
	p, err := pattern.Compile(pattern.PCRE, `\d*`)
	if err != nil {
		panic(err)
	}
	return pattern.NewIndex(slices.Repeat([]*pattern.Pattern{p}, 200))
}()

func TestReference(t *testing.T) {
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 2))
		agree(t, seed, maybe(r, maybe(r, "a")+"progx"), randomLine(r))
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(uint64(1), "prog", "alpha beta k=1 user joe from 192.0.2.1 port 22")
	f.Add(uint64(7), "", "alpha\u212a beta id gamma")
	f.Add(uint64(9), "x", "\xff\xfe user  from\x00port")
	rich := load(f, vectors, parent+child("x", `<regex>user (\w+) from|ip (\S+) port</regex><order>user, srcip</order>`),
		`<decoder name="pf"><program_name>^pf</program_name><plugin_decoder>PF_Decoder</plugin_decoder></decoder>
<decoder name="ws"><program_name>^ws</program_name><plugin_decoder>SymantecWS_Decoder</plugin_decoder></decoder>
<decoder name="sw"><program_name>^sw</program_name><plugin_decoder>SonicWall_Decoder</plugin_decoder></decoder>
<decoder name="oa"><program_name>^oa</program_name><plugin_decoder>OSSECAlert_Decoder</plugin_decoder></decoder>`)
	for _, program := range []string{"pf", "ws", "sw", "oa"} {
		f.Add(uint64(2), program, "pri=6 c=1 m=97 src=1:2:3 dst=4:5:6 proto=t (x) pass a: 1.2.3.4.5 > 6: u, 10=a,3=b; Rule: 5 - x; Location: y;  z")
	}
	f.Fuzz(func(t *testing.T, seed uint64, program, log string) {
		rich.decode(program, log)
		agree(t, seed, program, log)
	})
}

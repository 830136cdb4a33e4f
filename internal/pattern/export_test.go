package pattern

import "regexp"

// For the slow references.
var (
	Widen  = widen
	Narrow = narrow
)

// Translate returns the pattern in regexp's words.
func Translate(p *Pattern) string {
	text, _, err := p.translate()
	if err != nil {
		panic(err)
	}
	return text
}

// Reference returns the plain regexp for the pattern.
func Reference(p *Pattern) *regexp.Regexp { return regexp.MustCompile(Translate(p)) }

// ByProg tells whether the small matcher serves the pattern.
func ByProg(p *Pattern) bool { return p.prog != nil }

// FindFull is Find by regexp2.
func FindFull(p *Pattern, s string) (caps []string, end int, ok bool) { return p.findFull(s, 0, nil) }

package pattern

// CompileInTurn compiles an OS_Regex as Wazuh reads it: of its alternatives the first one that is found anywhere in the text is the match, where
// OSSEC takes the one that is found furthest left. Of "b=(\w+)|(\w+)$" on "a=1 b=2" OSSEC captures 1, Wazuh 2.
func CompileInTurn(source string) (*Pattern, error) {
	p, err := Compile(OSRegex, source)
	if err != nil {
		return nil, err
	}
	alternatives := outermost(source)
	anchored := true // then they are all found at one place, or not at all
	for _, a := range alternatives {
		if a == "" { // it matches every text
			return p, nil
		}
		anchored = anchored && a[0] == '^'
	}
	if len(alternatives) == 1 || anchored {
		return p, nil
	}
	for _, a := range alternatives {
		one, err := Compile(OSRegex, a)
		if err != nil {
			return nil, err
		}
		p.inTurn = append(p.inTurn, one)
	}
	return p, nil
}

// outermost splits an OS_Regex at each | that stands in no parentheses.
func outermost(source string) []string {
	var list []string
	depth, start := 0, 0
	for i := 0; i < len(source); i++ {
		switch source[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			depth--
		case '|':
			if depth == 0 {
				list = append(list, source[start:i])
				start = i + 1
			}
		}
	}
	return append(list, source[min(start, len(source)):])
}

func (p *Pattern) findInTurn(t *Text, from int, caps []string) ([]string, int, bool) {
	for _, one := range p.inTurn {
		if found, end, ok := one.find(t, from, caps, true); ok {
			return found, end, true
		}
	}
	return caps, 0, false
}

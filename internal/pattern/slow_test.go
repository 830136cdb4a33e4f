package pattern_test

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// slowRegex is OS_Regex in the plainest words: no translation, no graph, one function that tries everything in order.
type slowRegex struct {
	source string
	pos    int
	groups int
	odd    bool // holds a quantifier behind what takes no one character: behind "\\(" and the like
}

// slowItem takes one character of a class, or is an assertion, or a group.
type slowItem struct {
	class        func(rune) bool
	assert       byte // ^ or $
	group        int  // from 1 on
	alternatives [][]slowItem
	repeat       byte // + or *
	greedy       bool
}

const slowPunctuation = `()*+,.:;<=>?[]!"'#%&$|{}-`

// folds tells whether r is, in some case, of the ASCII characters in set.
func folds(r rune, set func(rune) bool) bool {
	for f := unicode.SimpleFold(r); ; f = unicode.SimpleFold(f) {
		if set(f) {
			return true
		}
		if f == r {
			return false
		}
	}
}

func one(c rune) func(rune) bool {
	return func(r rune) bool { return folds(r, func(f rune) bool { return f == c }) }
}

func not(set func(rune) bool) func(rune) bool { return func(r rune) bool { return !set(r) } }

func slowWord(r rune) bool {
	return folds(r, func(f rune) bool {
		return f < utf8.RuneSelf && (unicode.IsLetter(f) || unicode.IsDigit(f)) || strings.ContainsRune("@_-", f)
	})
}

func slowDigit(r rune) bool { return '0' <= r && r <= '9' }

// escape returns what a backslash and c stand for.
func (p *slowRegex) escape(c byte) func(rune) bool {
	switch c {
	case 'w':
		return slowWord
	case 'W':
		return not(slowWord)
	case 'd':
		return slowDigit
	case 'D':
		return not(slowDigit)
	case 's':
		return one(' ')
	case 'S':
		return not(one(' '))
	case 'p':
		return func(r rune) bool { return strings.ContainsRune(slowPunctuation, r) }
	case '.':
		return func(rune) bool { return true }
	case 't':
		return one('\t')
	}
	return one(rune(c))
}

// alternatives reads up to the group's end. The source compiles, so it is well-formed.
func (p *slowRegex) alternatives() [][]slowItem {
	list := [][]slowItem{nil}
	for p.pos < len(p.source) && p.source[p.pos] != ')' {
		last := &list[len(list)-1]
		c, n := utf8.DecodeRuneInString(p.source[p.pos:])
		at := p.pos
		p.pos += n
		switch {
		case c == '|':
			list = append(list, nil)
		case c == '^' || c == '$':
			*last = append(*last, slowItem{assert: byte(c)})
		case c == '(':
			p.groups++
			g := slowItem{group: p.groups}
			g.alternatives = p.alternatives()
			p.pos++
			*last = append(*last, g)
		case c == '\\':
			*last = append(*last, slowItem{class: p.escape(p.source[p.pos])})
			p.pos++
		case (c == '+' || c == '*') && at >= 2 && p.source[at-2] == '\\':
			if len(*last) == 0 || (*last)[len(*last)-1].class == nil || (*last)[len(*last)-1].repeat != 0 {
				p.odd = true
				break
			}
			rest := strings.TrimLeft(p.source[p.pos:], ")")
			item := &(*last)[len(*last)-1]
			item.repeat, item.greedy = byte(c), (rest == "" || rest[0] == '|') && p.source[at-1] != '\\'
		default:
			*last = append(*last, slowItem{class: one(c)})
		}
	}
	return list
}

// slowMatch is one attempt. It gives up when it has tried too much.
type slowMatch struct {
	subject string
	places  []int // two for each group, -1 for none
	left    int
}

// items matches the items from pos on, and then what follows.
func (m *slowMatch) items(list []slowItem, pos int, follows func(int) bool) bool {
	if m.left--; m.left < 0 {
		return false
	}
	if len(list) == 0 {
		return follows(pos)
	}
	it, rest := &list[0], func(pos int) bool { return m.items(list[1:], pos, follows) }
	switch {
	case it.assert == '^':
		return pos == 0 && rest(pos)
	case it.assert == '$':
		return pos == len(m.subject) && rest(pos)
	case it.group > 0:
		return m.group(it, pos, rest)
	}
	r, n := utf8.DecodeRuneInString(m.subject[pos:])
	taken := n > 0 && it.class(r)
	if it.repeat == 0 {
		return taken && rest(pos+n)
	}
	more := func() bool {
		next := slices.Concat([]slowItem{{class: it.class, repeat: '*', greedy: it.greedy}}, list[1:])
		return taken && m.items(next, pos+n, follows)
	}
	switch {
	case it.repeat == '+':
		return more()
	case it.greedy:
		return more() || rest(pos)
	}
	return rest(pos) || more()
}

func (m *slowMatch) group(it *slowItem, pos int, rest func(int) bool) bool {
	begin, end := m.places[2*it.group], m.places[2*it.group+1]
	for _, alternative := range it.alternatives {
		ok := m.items(alternative, pos, func(at int) bool {
			m.places[2*it.group], m.places[2*it.group+1] = pos, at
			return rest(at)
		})
		if ok {
			return true
		}
	}
	m.places[2*it.group], m.places[2*it.group+1] = begin, end
	return false
}

// find returns the captures and the end of the leftmost match; known is false if that would take too long or is beyond this matcher.
func (p *slowRegex) find(subject string) (caps []string, end int, ok, known bool) {
	alternatives := p.alternatives()
	if p.odd {
		return nil, 0, false, false
	}
	m := slowMatch{subject: subject, left: 20000}
	for start := 0; start <= len(subject); {
		m.places = slices.Repeat([]int{-1}, 2*(p.groups+1))
		whole := slowItem{group: 0, alternatives: alternatives}
		if m.group(&whole, start, func(int) bool { return true }) {
			for i := 2; i < len(m.places) && i <= 128; i += 2 {
				if m.places[i] >= 0 {
					caps = append(caps, subject[m.places[i]:m.places[i+1]])
				}
			}
			return caps, m.places[1], true, true
		}
		if m.left < 0 {
			return nil, 0, false, false
		}
		_, n := utf8.DecodeRuneInString(subject[start:])
		start += max(n, 1)
	}
	return nil, 0, false, true
}

package pattern

// pairs is what matches begin with: by the first byte eight bits, of which the lower end of the second byte chooses one.
type pairs [256]uint8

// accept tells whether a match may begin as s does, as far as two bytes can tell.
func (p *pairs) accept(s []byte) bool {
	if len(s) == 0 {
		return true
	}
	seconds := p[s[0]]
	return seconds != 0 && (len(s) == 1 || seconds>>(s[1]&7)&1 != 0)
}

// add adds a set of first bytes.
func (p *pairs) add(set *byteSet) {
	for b, in := range set {
		if in {
			p[b] = 0xFF
		}
	}
}

// pairs adds what matches of n begin with that don't stand at the start of the text and are not empty. Where lead is given, the first
// unbounded repeat that a match can begin with is left out and returned.
func (n *node) pairs(p *pairs, walk int, lead **node) {
	for n.walked != walk {
		n.walked = walk
		switch n.op {
		case opFail, opEnd, opStart:
			return
		case opMatch:
			p.add(&everyByte)
			return
		case opEndLine:
			p['\n'] = 0xFF
			return
		case opLiteral:
			seconds := uint8(0xFF)
			if len(n.literal) > 1 {
				seconds = 1 << (n.literal[1] & 7)
			}
			p[n.literal[0]] |= seconds
			return
		case opSet, opRepeat:
			if lead != nil && *lead == nil && n.slot > 0 {
				*lead = n
				return
			}
			p.add(n.set)
			if n.op == opSet || n.min > 0 {
				return
			}
		case opSplit:
			n.other.pairs(p, walk, lead)
		}
		n = n.next
	}
}

// everyByte holds all bytes.
var everyByte = func() (set byteSet) {
	for b := range set {
		set[b] = true
	}
	return set
}()

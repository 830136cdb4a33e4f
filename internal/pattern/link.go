package pattern

// link fills in what a finished graph tells: what follows each repeat, and where a match can begin.
func (g *prog) link() {
	var order []*node
	g.start.each(g.walk(), func(n *node) {
		order = append(order, n)
		if n.op == opSplit {
			n.other.chained = true
		}
	})
	for _, n := range order {
		switch n.op {
		case opRepeat:
			n.linkRepeat(g)
		case opSplit:
			n.linkSplit(g)
		}
	}
	for _, n := range order {
		if n.op == opSplit && !n.chained {
			n.linkJump()
		}
		if n.op == opSplit && !n.chained || n.op == opRepeat && !n.sure {
			g.choices++
			n.choice = g.choices
		}
	}
	g.atStart = g.start.onlyAtStart()
	var set byteSet
	if open := g.start.begins(&set, g.walk(), !g.atStart); !open && g.atStart {
		g.opening = &set
	} else if !open {
		g.pairs = new(pairs)
		g.start.pairs(g.pairs, g.walk(), nil)
	}
	if n := g.start.skip(opSave); n.op == opLiteral {
		g.prefix, g.rare = n.literal, rarest(n.literal)
	}
	g.linkLead()
	if g.start.skip(opStart).op == opLiteral {
		g.needs = nil // to look for the literal at the start is enough
	}
}

// linkLead finds a repeat that a match can begin with.
func (g *prog) linkLead() {
	if g.atStart || g.repeats == 0 {
		return
	}
	var lead *node
	others := new(pairs)
	if g.start.pairs(others, g.walk(), &lead); lead != nil {
		g.lead, g.others = lead.slot, others
	}
}

// walk returns a new number for nodes to be marked with on one walk over the graph.
func (g *prog) walk() int {
	g.walks++
	return g.walks
}

// skip returns the first node from n on that neither saves a place nor does what also is.
func (n *node) skip(also op) *node {
	for n.op == opSave || n.op == also {
		n = n.next
	}
	return n
}

// linkRepeat finds out what follows the repeat, and whether that leaves it only one end to try.
func (n *node) linkRepeat(g *prog) {
	for b := range n.set {
		if !n.set[b] && lowerByte(byte(b)) == byte(b) {
			n.stops, n.stop = n.stops+1, byte(b)
		}
	}
	var set byteSet
	if n.next.begins(&set, g.walk(), false) {
		return
	}
	if n.stops <= 1 && n.slot > 0 && !n.lazy {
		n.linkTail()
	}
	n.follow, n.sure = &set, true
	if after := n.next.skip(opSave); after.op == opLiteral {
		n.literal, n.rare = after.literal, rarest(after.literal)
	}
	for b := range set {
		if set[b] && n.set[b] {
			n.sure = false
		}
	}
	n.short = n.sure && n.max < 0 && n.min <= 1
}

// maxTail bounds a tail: more literals hardly tell more.
const maxTail = 8

// linkTail gathers the first literals on the way from the repeat to the first branching.
func (n *node) linkTail() {
	var gap *byteSet
	parts := 0 // since the last literal
	for c := n.next; c != nil && c.op != opSplit && len(n.tail) < maxTail; c = c.next {
		switch c.op {
		case opLiteral:
			if parts > 1 {
				gap = nil
			}
			n.tail = append(n.tail, tailPart{c.literal, rarest(c.literal), gap})
			gap, parts = nil, 0
		case opRepeat, opSet:
			gap = c.set
			parts++
		}
	}
}

// linkSplit finds out with what each branch begins, so that it need not be tried elsewhere.
func (n *node) linkSplit(g *prog) {
	var set, rival byteSet
	if !n.next.begins(&set, g.walk(), false) {
		n.follow = &set
	}
	if first := n.next.skip(opSave); first.op == opLiteral {
		n.literal = first.literal
	}
	if (!n.chained || n.other.op != opSplit) && !n.other.begins(&rival, g.walk(), false) {
		n.rival = &rival
	}
}

// manyBranches is from how many branches on a table to jump by pays.
const manyBranches = 4

// linkJump gives the head of a long chain of alternatives its table.
func (n *node) linkJump() {
	length := 0
	for c := n; c.op == opSplit && length < manyBranches; c = c.other {
		length++
	}
	if length < manyBranches {
		return
	}
	n.jump = new([256]*node)
	for b := range n.jump {
		c := n
		for c.op == opSplit && c.follow != nil && !c.follow[b] {
			c = c.other
		}
		n.jump[b] = c
	}
}

// each calls do for every node from n on.
func (n *node) each(walk int, do func(*node)) {
	for n != nil && n.walked != walk {
		n.walked = walk
		do(n)
		n.other.each(walk, do)
		n = n.next
	}
}

// begins adds the bytes with which a match of n can begin; later says that n does not stand at the start of the text. It tells whether that
// match may also be empty, so that any byte can stand there. Bytes are those of a lowered text.
func (n *node) begins(set *byteSet, walk int, later bool) (open bool) {
	for n.walked != walk {
		n.walked = walk
		switch n.op {
		case opMatch:
			return true
		case opFail, opEnd:
			return false
		case opEndLine:
			set['\n'] = true
			return false
		case opLiteral:
			set[n.literal[0]] = true
			return false
		case opSet, opRepeat:
			set.add(n.set)
			if n.op == opSet || n.min > 0 {
				return false
			}
		case opStart:
			if later {
				return false
			}
		case opSplit:
			if n.other.begins(set, walk, later) {
				return true
			}
		}
		n = n.next
	}
	return false
}

// add adds another set.
func (s *byteSet) add(other *byteSet) {
	for b, in := range other {
		if in {
			s[b] = true
		}
	}
}

// onlyAtStart tells whether every way from n on begins with the start of the text.
func (n *node) onlyAtStart() bool {
	n = n.skip(opSave)
	return n.op == opStart || n.op == opSplit && n.next.onlyAtStart() && n.other.onlyAtStart()
}

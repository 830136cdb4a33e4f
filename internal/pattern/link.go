package pattern

// link fills in what a finished graph tells: what follows each repeat, and where a match can begin.
func (g *prog) link() {
	seen := map[*node]bool{}
	chained := map[*node]bool{}
	var order []*node
	g.start.each(seen, func(n *node) {
		order = append(order, n)
		switch n.op {
		case opRepeat:
			n.linkRepeat()
		case opSplit:
			n.linkSplit()
			chained[n.other] = true
		}
	})
	for _, n := range order {
		if n.op == opSplit && !chained[n] {
			n.linkJump()
		}
	}
	g.atStart = g.start.onlyAtStart()
	var set byteSet
	if !g.start.begins(&set, map[*node]bool{}, true) {
		g.first = &set
	}
	switch n := g.start.skip(opSave); n.op {
	case opLiteral:
		g.prefix = n.literal
	case opRepeat:
		g.lead = n.slot
	}
	if g.start.skip(opStart).op == opLiteral {
		g.needs = nil // to look for the literal at the start is enough
	}
}

// skip returns the first node from n on that neither saves a place nor does what also is.
func (n *node) skip(also op) *node {
	for n.op == opSave || n.op == also {
		n = n.next
	}
	return n
}

// linkRepeat finds out what follows the repeat, and whether that leaves it only one end to try.
func (n *node) linkRepeat() {
	var set byteSet
	if n.next.begins(&set, map[*node]bool{}, false) {
		return
	}
	n.follow, n.sure = &set, true
	if after := n.next.skip(opSave); after.op == opLiteral {
		n.literal = after.literal
	}
	for b := range set {
		if set[b] && n.set[b] {
			n.sure = false
		}
	}
}

// linkSplit finds out with what the first branch begins, so that it need not be tried elsewhere.
func (n *node) linkSplit() {
	var set byteSet
	if !n.next.begins(&set, map[*node]bool{}, false) {
		n.follow = &set
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
func (n *node) each(seen map[*node]bool, do func(*node)) {
	for n != nil && !seen[n] {
		seen[n] = true
		do(n)
		n.other.each(seen, do)
		n = n.next
	}
}

// begins adds the bytes with which a match of n can begin; later says that n does not stand at the start of the text. It tells whether that
// match may also be empty, so that any byte can stand there. Bytes are those of a lowered text.
func (n *node) begins(set *byteSet, seen map[*node]bool, later bool) (open bool) {
	for !seen[n] {
		seen[n] = true
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
			if n.other.begins(set, seen, later) {
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

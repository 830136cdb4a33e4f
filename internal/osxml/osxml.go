// Package osxml reads the XML dialect of OSSEC's files: ossec.conf, agent.conf, decoders and rules.
//
// It looks like XML and is simpler and stranger:
//
//	<!-- a comment ends at the first of these --> or !>
//	<group name="syslog,">                any number of roots; text between them is ignored
//	  <rule id="1" level='2'>             attributes quoted either way, no ">" inside
//	    <regex>a\<b & &lt; ^c</regex>     content is kept to the byte: not trimmed, no entities; "\<" stays "\<"
//	    <if_fts/>                         empty
//	  </rule>
//	</group>
//
// An element with children has as content the text after the last child. Every element knows its place, for the faults that its reader finds.
package osxml

import (
	"bytes"
	"slices"
	"strings"
)

// The limits of OSSEC's reader.
const (
	maxText  = 8192 // bytes of a name, a content, an attribute
	maxDepth = 1024
)

// Element is one element as written.
type Element struct {
	Name     string
	Pos      Pos
	Attrs    []Attr
	Content  string
	Children []*Element
}

// Attr is one attribute as written.
type Attr struct {
	Name, Value string
	Pos         Pos
}

// Attr returns the value of the attribute of that name, compared without regard to case, and whether it is there.
func (e *Element) Attr(name string) (string, bool) {
	for _, a := range e.Attrs {
		if strings.EqualFold(a.Name, name) {
			return a.Value, true
		}
	}
	return "", false
}

// Parse reads a whole file. file is its name for messages. Its error is a *FaultError with all that is wrong; the elements that are whole
// are returned with it, so that their readers can look for more faults.
func Parse(file string, src []byte) ([]*Element, error) {
	return (&parser{src: src, file: file, line: 1}).parse()
}

// ParseWazuh is Parse for a file of Wazuh's. There "\\" before "<" is a backslash, so that "a\\</x>" ends x.
func ParseWazuh(file string, src []byte) ([]*Element, error) {
	return (&parser{src: src, file: file, line: 1, pairs: true}).parse()
}

func (p *parser) parse() ([]*Element, error) {
	p.prolog()
	var roots []*Element
	for {
		p.text()
		switch {
		case p.eof():
			return roots, p.faults.Err()
		case p.has("</"):
			p.strayEnd()
		default:
			if e := p.element(); e != nil {
				roots = append(roots, e)
			}
		}
	}
}

type parser struct {
	src       []byte
	file      string
	off       int
	line, bol int        // the current line, and the offset at which it begins
	open      []*Element // those being read, the outermost first
	misclosed *Element   // the last one that met a wrong end tag
	cut       bool       // the file's end was already blamed on something
	pairs     bool       // a backslash takes the meaning of one behind it
	faults    Faults
}

func (p *parser) eof() bool { return p.off >= len(p.src) }

func (p *parser) pos() Pos { return Pos{File: p.file, Line: p.line, Col: p.off - p.bol + 1} }

// advance moves n bytes on, counting lines.
func (p *parser) advance(n int) {
	passed := p.src[p.off:min(p.off+n, len(p.src))]
	if last := bytes.LastIndexByte(passed, '\n'); last >= 0 {
		p.line += bytes.Count(passed, []byte("\n"))
		p.bol = p.off + last + 1
	}
	p.off += len(passed)
}

// peek returns what stands before the first byte that is one of stops.
func (p *parser) peek(stops string) string {
	rest := p.src[p.off:]
	if n := bytes.IndexAny(rest, stops); n >= 0 {
		rest = rest[:n]
	}
	return string(rest)
}

// until is peek, and moves there.
func (p *parser) until(stops string) string {
	text := p.peek(stops)
	p.advance(len(text))
	return text
}

func (p *parser) has(prefix string) bool { return bytes.HasPrefix(p.src[p.off:], []byte(prefix)) }

func (p *parser) prolog() {
	if p.has("\xef\xbb\xbf") {
		p.advance(3)
	}
	if p.has("<?xml") {
		if end := bytes.Index(p.src, []byte("?>")); end >= 0 {
			p.advance(end + 2 - p.off)
		}
	}
}

// text reads up to the next tag and returns what it read, without the comments in it.
func (p *parser) text() string {
	var b strings.Builder
	for {
		b.WriteString(p.until("<"))
		switch {
		case p.eof():
			return b.String()
		case p.has("<!"):
			p.comment()
		case !p.escaped():
			return b.String()
		default:
			b.WriteByte('<')
			p.advance(1)
		}
	}
}

// escaped tells whether a backslash stands before the current place and means it.
func (p *parser) escaped() bool {
	before := p.src[:p.off]
	n := len(before) - len(bytes.TrimRight(before, "\\"))
	return n == 1 || n > 1 && (!p.pairs || n%2 == 1)
}

func (p *parser) comment() {
	rest := p.src[p.off:]
	end := bytes.Index(rest, []byte("-->"))
	if end >= 0 {
		end += 3
		rest = rest[:end]
	}
	if short := bytes.Index(rest, []byte("!>")); short >= 0 {
		end = short + 2
	}
	if end < 0 {
		p.faultAtEnd(p.pos(), "end it with -->", "the comment never ends")
		end = len(rest)
	}
	p.advance(end)
}

func (p *parser) fault(pos Pos, hint, what string, args ...any) {
	p.faults.Add(pos, hint, what, args...)
}

// faultAtEnd notes why the file ended too early. Only the first reason counts: the elements around are open only because of it.
func (p *parser) faultAtEnd(pos Pos, hint, what string, args ...any) {
	if !p.cut {
		p.fault(pos, hint, what, args...)
	}
	p.cut = true
}

// element reads from "<" to behind the end tag. It returns nil if the element is not whole. What is wrong inside costs the innermost
// element; those around it are kept for the rest that they hold.
func (p *parser) element() *Element {
	e := &Element{Pos: p.pos()}
	p.advance(1)
	e.Name = p.until(" \t\r\n>")
	switch {
	case e.Name == "":
		p.fault(e.Pos, `write a literal "<" as "\<"`, `"<" begins no element`)
		return nil
	case len(e.Name) > maxText:
		p.fault(e.Pos, "shorten it", "a name longer than %d bytes", maxText)
		return nil
	case len(p.open) == maxDepth:
		p.faultAtEnd(e.Pos, "", "elements nested more than %d deep", maxDepth)
		p.advance(len(p.src))
		return nil
	case strings.HasSuffix(e.Name, "/") && p.has(">"):
		e.Name = strings.TrimSuffix(e.Name, "/")
		p.advance(1)
		return e
	}
	empty, whole := p.attrs(e)
	if !empty {
		p.open = append(p.open, e)
		whole = p.body(e) && whole
		p.open = p.open[:len(p.open)-1]
	}
	if !whole {
		return nil
	}
	return e
}

// body reads content and children up to and with the end tag. It tells whether e was whole, or holds a child that is.
func (p *parser) body(e *Element) bool {
	before := p.faults.Len()
	for {
		e.Content = p.text()
		if len(e.Content) > maxText {
			p.fault(e.Pos, "split it", "<%s> holds %d bytes, more than %d", e.Name, len(e.Content), maxText)
		}
		switch {
		case p.eof():
			p.faultAtEnd(e.Pos, "add </"+e.Name+">", "<%s> is never closed", e.Name)
			return len(e.Children) > 0
		case !p.has("</"):
			if child := p.element(); child != nil {
				e.Children = append(e.Children, child)
			}
		case p.endTag(e):
			return p.faults.Len() == before || len(e.Children) > 0
		}
	}
}

// endTag reads an end tag and tells whether e ends there. One that ends an element around e is left for that.
func (p *parser) endTag(e *Element) bool {
	want := "</" + e.Name + ">"
	if p.has(want) {
		p.advance(len(want))
		return true
	}
	at := p.pos()
	outer := slices.ContainsFunc(p.open, func(o *Element) bool { return p.has("</" + o.Name + ">") })
	name := strings.TrimPrefix(p.peek(" \t\r\n>"), "</")
	if p.misclosed != e {
		p.fault(at, "write "+want, "</%s> does not close <%s> of line %d", name, e.Name, e.Pos.Line)
	}
	p.misclosed = e
	if !outer {
		p.advance(len("</") + len(name))
	}
	return outer
}

// strayEnd passes over an end tag that stands outside all elements.
func (p *parser) strayEnd() {
	at := p.pos()
	p.advance(1)
	p.fault(at, "remove it, or open the element before it", "<%s> ends nothing", p.until(" \t\r\n>"))
}

// attrs reads the attributes and the end of the start tag. empty tells that the tag was <x ... />, whole that it had no fault.
func (p *parser) attrs(e *Element) (empty, whole bool) {
	for {
		p.skipSpace()
		switch {
		case p.eof():
			p.faultAtEnd(e.Pos, `end it with ">"`, "the tag <%s is never ended", e.Name)
			return false, false
		case p.has(">"):
			p.advance(1)
			return false, true
		case p.has("/>"):
			p.advance(2)
			return true, true
		}
		if !p.attr(e) {
			p.until(">")
			empty = p.src[p.off-1] == '/'
			p.cut = p.cut || p.eof()
			p.advance(1)
			return empty, false
		}
	}
}

func (p *parser) skipSpace() {
	for !p.eof() && strings.IndexByte(" \t\r\n", p.src[p.off]) >= 0 {
		p.advance(1)
	}
}

// attr reads name="value" and tells whether it is faultless.
func (p *parser) attr(e *Element) bool {
	a := Attr{Pos: p.pos()}
	fault := func(hint, what string) bool {
		p.fault(a.Pos, hint, "<%s>: attribute %s %s", e.Name, a.Name, what)
		return false
	}
	a.Name = p.until("= \t\r\n>")
	if !p.has("=") {
		a.Name = strings.TrimSuffix(a.Name, "/")
		return fault("write "+a.Name+`="value", without a space before "="`, "has no value")
	}
	p.advance(1)
	p.skipSpace()
	if !p.has(`"`) && !p.has("'") {
		return fault("put its value between quotes", "is not quoted")
	}
	quote := string(p.src[p.off])
	p.advance(1)
	a.Value = p.until(quote + ">")
	if !p.has(quote) {
		return fault(`close the quote; ">" may not stand in a value`, "does not end")
	}
	p.advance(1)
	_, twice := e.Attr(a.Name)
	switch {
	case a.Name == "":
		return fault(`write name="value"`, "has no name")
	case twice:
		return fault("keep one", "stands twice")
	case max(len(a.Name), len(a.Value)) > maxText:
		p.fault(a.Pos, "shorten it", "<%s>: an attribute longer than %d bytes", e.Name, maxText)
		return false
	}
	e.Attrs = append(e.Attrs, a)
	return true
}

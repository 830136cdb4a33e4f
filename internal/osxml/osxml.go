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

// Parse reads a whole file. file is its name for messages. Its error is a *FaultError with the place where reading had to stop;
// the elements before that place are returned with it.
func Parse(file string, src []byte) ([]*Element, error) {
	p := &parser{src: src, file: file, line: 1}
	p.prolog()
	var roots []*Element
	for p.faults.Len() == 0 {
		p.text()
		if p.eof() {
			break
		}
		if e := p.element(1); e != nil {
			roots = append(roots, e)
		}
	}
	return roots, p.faults.Err()
}

type parser struct {
	src       []byte
	file      string
	off       int
	line, bol int // the current line, and the offset at which it begins
	faults    Faults
}

func (p *parser) eof() bool { return p.off >= len(p.src) }

func (p *parser) pos() Pos { return Pos{File: p.file, Line: p.line, Col: p.off - p.bol + 1} }

// advance moves n bytes on, counting lines.
func (p *parser) advance(n int) {
	for ; n > 0 && !p.eof(); n-- {
		if p.src[p.off] == '\n' {
			p.line++
			p.bol = p.off + 1
		}
		p.off++
	}
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
	for !p.eof() {
		switch {
		case p.has("<!"):
			if !p.comment() {
				return b.String()
			}
		case p.src[p.off] == '<' && (p.off == 0 || p.src[p.off-1] != '\\'):
			return b.String()
		default:
			b.WriteByte(p.src[p.off])
			p.advance(1)
		}
	}
	return b.String()
}

func (p *parser) comment() bool {
	rest := p.src[p.off:]
	end := bytes.Index(rest, []byte("-->"))
	if end >= 0 {
		end += 3
	}
	if short := bytes.Index(rest, []byte("!>")); short >= 0 && (end < 0 || short+2 < end) {
		end = short + 2
	}
	if end < 0 {
		p.fault("end it with -->", "the comment never ends")
		return false
	}
	p.advance(end)
	return true
}

// fault notes a fault here and stops the reading.
func (p *parser) fault(hint, what string, args ...any) {
	p.faultAt(p.pos(), hint, what, args...)
}

func (p *parser) faultAt(pos Pos, hint, what string, args ...any) {
	p.faults.Add(pos, hint, what, args...)
	p.off = len(p.src)
}

// element reads from "<" to behind the end tag. It returns nil after a fault.
func (p *parser) element(depth int) *Element {
	e := &Element{Pos: p.pos()}
	if depth > maxDepth {
		p.fault("", "elements nested more than %d deep", maxDepth)
		return nil
	}
	p.advance(1)
	e.Name = p.name()
	if strings.HasPrefix(e.Name, "/") {
		p.faultAt(e.Pos, "remove it, or open the element before it", "<%s> ends nothing", e.Name)
		return nil
	}
	if e.Name == "" {
		p.faultAt(e.Pos, `write a literal "<" as "\<"`, `"<" begins no element`)
		return nil
	}
	if strings.HasSuffix(e.Name, "/") && !p.eof() && p.src[p.off] == '>' {
		e.Name = strings.TrimSuffix(e.Name, "/")
		p.advance(1)
		return e
	}
	empty, ok := p.attrs(e)
	if !ok || empty {
		return e
	}
	if !p.body(e, depth) {
		return nil
	}
	return e
}

// body reads content and children up to and with the end tag.
func (p *parser) body(e *Element, depth int) bool {
	for p.faults.Len() == 0 {
		e.Content = p.text()
		if len(e.Content) > maxText {
			p.faultAt(e.Pos, "split it", "<%s> holds %d bytes, more than %d", e.Name, len(e.Content), maxText)
			return false
		}
		if p.eof() {
			if p.faults.Len() == 0 {
				p.faultAt(e.Pos, "add </"+e.Name+">", "<%s> is never closed", e.Name)
			}
			return false
		}
		if p.has("</") {
			return p.endTag(e)
		}
		if child := p.element(depth + 1); child != nil {
			e.Children = append(e.Children, child)
		}
	}
	return false
}

func (p *parser) endTag(e *Element) bool {
	want := "</" + e.Name + ">"
	if p.has(want) {
		p.advance(len(want))
		return true
	}
	at := p.pos()
	p.advance(2)
	p.faultAt(at, "write "+want, "</%s> does not close <%s> of line %d", p.name(), e.Name, e.Pos.Line)
	return false
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// name reads up to white space or ">".
func (p *parser) name() string {
	start := p.off
	for !p.eof() && !space(p.src[p.off]) && p.src[p.off] != '>' {
		p.advance(1)
	}
	if p.off-start > maxText {
		p.fault("", "a name longer than %d bytes", maxText)
		return ""
	}
	return string(p.src[start:p.off])
}

func (p *parser) skipSpace() {
	for !p.eof() && space(p.src[p.off]) {
		p.advance(1)
	}
}

// attrs reads the attributes and the end of the start tag. empty tells that the tag was <x ... />.
func (p *parser) attrs(e *Element) (empty, ok bool) {
	for {
		p.skipSpace()
		switch {
		case p.eof():
			p.faultAt(e.Pos, `end it with ">"`, "the tag <%s is never ended", e.Name)
			return false, false
		case p.src[p.off] == '>':
			p.advance(1)
			return false, true
		case p.has("/>"):
			p.advance(2)
			return true, true
		}
		if !p.attr(e) {
			return false, false
		}
	}
}

func (p *parser) attr(e *Element) bool {
	a := Attr{Pos: p.pos()}
	start := p.off
	for !p.eof() && p.src[p.off] != '=' && !space(p.src[p.off]) && p.src[p.off] != '>' {
		p.advance(1)
	}
	a.Name = string(p.src[start:p.off])
	if p.eof() || p.src[p.off] != '=' {
		p.faultAt(a.Pos, `write `+a.Name+`="value"`, "<%s>: attribute %s has no value", e.Name, a.Name)
		return false
	}
	p.advance(1)
	p.skipSpace()
	if p.eof() || p.src[p.off] != '"' && p.src[p.off] != '\'' {
		p.faultAt(a.Pos, "put it between quotes", "<%s>: the value of attribute %s is not quoted", e.Name, a.Name)
		return false
	}
	quote := p.src[p.off]
	p.advance(1)
	start = p.off
	for !p.eof() && p.src[p.off] != quote && p.src[p.off] != '>' {
		p.advance(1)
	}
	if p.eof() || p.src[p.off] == '>' {
		p.faultAt(a.Pos, `close the quote; ">" may not stand in a value`, "<%s>: the value of attribute %s does not end", e.Name, a.Name)
		return false
	}
	a.Value = string(p.src[start:p.off])
	p.advance(1)
	if _, twice := e.Attr(a.Name); twice {
		p.faultAt(a.Pos, "keep one", "<%s>: attribute %s stands twice", e.Name, a.Name)
		return false
	}
	if len(a.Name)+len(a.Value) > maxText {
		p.faultAt(a.Pos, "", "<%s>: an attribute longer than %d bytes", e.Name, maxText)
		return false
	}
	e.Attrs = append(e.Attrs, a)
	return true
}

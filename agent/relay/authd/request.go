package authd

import (
	"bytes"
	"errors"
	"io"
	"strings"
)

// maxRequest is how long a request may be, as in OSSEC.
const maxRequest = 4096

// request is what a host asks.
type request struct {
	password string // "" if it gave none
	name     string
	groups   []string // of Wazuh's G:'web,test'
	address  string   // of Wazuh's IP:'src'
}

var (
	errNoRequest = errors.New("want OSSEC A:'NAME'")
	errTooLong   = errors.New("it is longer than 4096 bytes")
)

// readRequest reads a request up to its line end, or the connection's.
func readRequest(host io.Reader) (request, error) {
	buf := make([]byte, 0, maxRequest)
	for {
		n, err := host.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if whole(buf) || err == io.EOF {
			return parseRequest(string(buf))
		}
		if err != nil {
			return request{}, err
		}
		if len(buf) == cap(buf) {
			return request{}, errTooLong
		}
	}
}

// action begins what a host wants.
const action = "OSSEC A:'"

// whole tells whether a request is there with its line end. A line end before it may be the password's: agent-auth leaves it there that its
// file has.
func whole(buf []byte) bool {
	if i := bytes.Index(buf, []byte(action)); i >= 0 {
		return bytes.IndexByte(buf[i:], '\n') >= 0
	}
	// Not a beginning of a request: it won't become one.
	line, _, ended := bytes.Cut(buf, []byte("\n"))
	return ended && !bytes.HasPrefix(line, []byte(password))
}

const password = "OSSEC PASS: "

// parseRequest reads
//
//	OSSEC PASS: secret OSSEC A:'web1' V:'v4.9.2' G:'web,test' IP:'src' K:'…'
//
// of which all but A may be missing. V and K are passed over, and so is what else follows.
func parseRequest(text string) (request, error) {
	var r request
	if rest, ok := strings.CutPrefix(text, password); ok {
		if r.password, text, ok = strings.Cut(rest, " "+action); !ok {
			return r, errNoRequest
		}
		r.password = strings.TrimRight(r.password, "\r\n")
		text = action + text
	}
	rest, ok := strings.CutPrefix(text, action)
	if !ok {
		return r, errNoRequest
	}
	if r.name, rest, ok = strings.Cut(rest, "'"); !ok {
		return r, errNoRequest
	}
	r.read(rest)
	return r, nil
}

// read reads Wazuh's fields.
func (r *request) read(text string) {
	for {
		key, rest, ok := strings.Cut(strings.TrimLeft(text, " "), ":'")
		value, rest, closed := strings.Cut(rest, "'")
		if !ok || !closed {
			return
		}
		switch key {
		case "G":
			r.groups = strings.FieldsFunc(value, func(c rune) bool { return c == ',' })
		case "IP":
			r.address = value
		}
		text = rest
	}
}

// validGroup tells whether it may be a group's name.
func validGroup(s string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	return len(s) <= 255 && strings.Trim(s, letters) == ""
}

package wire

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Key is one line of client.keys: what an agent and its server share.
//
//	1026 web-asg 10.0.0.0/24 9f3c1d5ab2e8476089d4c7f1a6b05e320c7be9154fd2a8361e5d90b7ac42f683
type Key struct {
	ID      string // decimal digits, as written: "001" and "1" are two ids
	Name    string // of the agent, without spaces
	Address Address
	Secret  string // the key's text, which is not decoded
}

// ErrKey is wrapped by the errors of ParseKey, ParseAddress, Import and ReadKeys.
var ErrKey = errors.New("no agent key")

const (
	maxLine  = 2048 // of client.keys
	maxField = 127  // of a key's name and its secret, as OSSEC reads it
)

// ParseKey reads a line of client.keys, without its end. The error wraps ErrKey, and doesn't show the secret.
func ParseKey(line string) (Key, error) {
	fields := strings.SplitN(line, " ", 4)
	if len(fields) < 4 {
		return Key{}, fmt.Errorf("%w: %d fields of id, name, address and key, with one space between", ErrKey, len(fields))
	}
	k := Key{ID: fields[0], Name: fields[1], Secret: fields[3]}
	if !digits(k.ID) || len(k.ID) > maxID {
		return Key{}, fmt.Errorf("%w: id %q: it has 1 to %d digits", ErrKey, k.ID, maxID)
	}
	if len(k.Name) > maxField || !printable(k.Name) || removed(k.Name) {
		return Key{}, fmt.Errorf("%w: name %q: it has 1 to %d characters, with neither # nor ! in front", ErrKey, k.Name, maxField)
	}
	if len(k.Secret) > maxField || !printable(k.Secret) {
		return Key{}, fmt.Errorf("%w: the key of agent %s has 1 to %d characters, not these %d", ErrKey, k.ID, maxField, len(k.Secret))
	}
	var err error
	k.Address, err = ParseAddress(fields[2])
	return k, err
}

// printable tells whether there is text, and no control character in it.
func printable(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// String returns the line of client.keys, without its end.
func (k Key) String() string {
	return k.ID + " " + k.Name + " " + k.Address.String() + " " + k.Secret
}

// Export returns the line as manage_agents shows it to be copied: in base64.
func (k Key) Export() string { return base64.StdEncoding.EncodeToString([]byte(k.String())) }

// Import reads what Export returns. Line breaks and all else that base64 doesn't have are passed over.
func Import(text string) (Key, error) {
	letters := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '+' || r == '/' {
			return r
		}
		return -1
	}, text)
	line, err := base64.RawStdEncoding.DecodeString(letters)
	if err != nil {
		return Key{}, fmt.Errorf("%w: import: %w: copy the whole text that manage_agents -e or yagura agents extract-key shows", ErrKey, err)
	}
	k, err := ParseKey(string(line))
	if err != nil {
		return Key{}, fmt.Errorf("import: %w", err)
	}
	return k, nil
}

// ReadKeys reads a client.keys file. Comments and removed agents are left out. Lines that are none are told, each with its number, and the
// others returned all the same. Of two lines with one id the first holds, as in OSSEC. The errors of lines wrap ErrKey.
func ReadKeys(r io.Reader) ([]Key, error) {
	var keys []Key
	var faults []error
	first := map[string]int{} // line of an id
	lines := bufio.NewReaderSize(r, maxLine)
	for n := 1; ; n++ {
		line, err := readLine(lines)
		if err == io.EOF {
			return keys, errors.Join(faults...)
		}
		if err != nil && !errors.Is(err, ErrKey) {
			return keys, errors.Join(append(faults, fmt.Errorf("line %d: %w", n, err))...)
		}
		if err == nil && !told(line) {
			continue
		}
		var k Key
		if err == nil {
			k, err = ParseKey(line)
		}
		if at := first[k.ID]; err == nil && at > 0 {
			err = fmt.Errorf("%w: id %s is that of line %d, which holds", ErrKey, k.ID, at)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		first[k.ID] = n
		keys = append(keys, k)
	}
}

// told tells whether a line is neither empty, nor a comment, nor an agent that manage_agents has removed.
func told(line string) bool {
	_, rest, _ := strings.Cut(line, " ")
	return line != "" && line[0] != '#' && line[0] != ' ' && !removed(rest)
}

// removed tells whether a name is one that OSSEC ("#") or Wazuh ("!") has taken out of use.
func removed(name string) bool { return strings.HasPrefix(name, "#") || strings.HasPrefix(name, "!") }

// readLine returns a line without its end, io.EOF if there is none, and an error that wraps ErrKey if it is too long.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	text := string(bytes.TrimRight(line, "\r\n"))
	for long := false; ; long = true {
		switch {
		case err == bufio.ErrBufferFull:
			_, err = r.ReadSlice('\n')
		case err == io.EOF && len(line) == 0, err != nil && err != io.EOF:
			return "", err
		case long:
			return "", fmt.Errorf("%w: longer than %d bytes", ErrKey, maxLine)
		default:
			return text, nil
		}
	}
}

// NewSecret returns a new key's text, 64 hexadecimal digits of 256 random bits.
func NewSecret(random io.Reader) (string, error) {
	var b [32]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

package wire

import (
	"fmt"
	"strings"
)

// Keepalive is what an agent tells of its host from time to time:
//
//	#!-Linux web1 6.1.0 #1 SMP x86_64 - OSSEC HIDS v4.2.0 / md5 of agent.conf
//	md5 merged.mg
//
//	random characters
//
// Before the files' md5 Wazuh has labels. Windows has a description of itself as its first line, and doesn't tell its name.
type Keepalive struct {
	Uname   string    // the first line without version and md5
	Sysname string    // its first word: "Linux"; "Windows"
	Node    string    // the host's own name; "" if it doesn't tell it, or if it is none
	Version string    // "OSSEC HIDS v4.2.0", "Wazuh v4.9.2"
	Config  string    // md5 of agent.conf, in hex; "" if the agent has none
	Files   []FileSum // of the shared files that the agent has: of newer agents, only merged.mg
	Labels  []Label   // Wazuh's
}

// FileSum is a shared file of an agent.
type FileSum struct {
	Name string
	Sum  string // md5 in hex; "x" if the agent hasn't the file
}

// Label is what Wazuh's agents are configured to tell of themselves.
type Label struct{ Name, Value string }

// Merged is the name of the file that all shared files are in.
const Merged = "merged.mg"

// MergedSum returns the md5 of merged.mg, in hex: "x" if the agent hasn't the file, "" if it says nothing of it.
func (k *Keepalive) MergedSum() string {
	for _, f := range k.Files {
		if f.Name == Merged {
			return f.Sum
		}
	}
	return ""
}

// ParseKeepalive reads a control message that is none of the others. Lines that aren't understood are passed over. The error wraps ErrFormat.
func ParseKeepalive(text []byte) (Keepalive, error) {
	rest, ok := strings.CutPrefix(string(text), Control)
	first, rest, _ := strings.Cut(rest, "\n")
	if !ok || strings.TrimSpace(first) == "" || strings.HasPrefix(first, "agent ") || strings.HasPrefix(first, "req ") {
		return Keepalive{}, fmt.Errorf("%w: not a keep-alive", ErrFormat)
	}
	k := parseUname(first)
	for line := range strings.Lines(rest) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			break // random characters follow
		}
		if sum, name, ok := strings.Cut(line, " "); ok && name != "" && (sum == "x" || isMD5(sum)) {
			k.Files = append(k.Files, FileSum{Name: name, Sum: sum})
		} else if label, ok := parseLabel(line); ok {
			k.Labels = append(k.Labels, label)
		}
	}
	return k, nil
}

// parseUname reads the first line.
func parseUname(line string) (k Keepalive) {
	if i := strings.LastIndex(line, " / "); i >= 0 && isMD5(line[i+3:]) {
		line, k.Config = line[:i], line[i+3:]
	}
	if i := strings.LastIndex(line, "- "); i >= 0 {
		line, k.Version = line[:i], line[i+2:]
	}
	k.Uname = strings.TrimSpace(line)
	words := strings.Fields(k.Uname)
	switch {
	case strings.HasPrefix(k.Uname, "Microsoft Windows"):
		k.Sysname = "Windows"
	case len(words) < 5 || strings.HasPrefix(k.Uname, "No system info"): // what a failed uname is told as
	default:
		k.Sysname = words[0]
		if node := strings.TrimPrefix(words[1], "|"); isNode(node) { // Wazuh puts a bar before each word
			k.Node = node
		}
	}
	return k
}

// isNode tells whether a word may be a host's name. Other words are not taken, as the name becomes part of the agent's.
func isNode(word string) bool {
	return word != "" && len(word) <= 255 && word[0] != '-' && word[0] != '.' && !strings.ContainsFunc(word, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
}

func isMD5(text string) bool {
	return len(text) == 32 && strings.Trim(text, "0123456789abcdef") == ""
}

// parseLabel reads "name":"value", with ! or # in front if it is hidden or Wazuh's own. Some values have no quotes.
func parseLabel(line string) (Label, bool) {
	line = strings.TrimLeft(line, "!#")
	name, value, ok := strings.Cut(line, `":`)
	if !ok || len(name) < 2 || name[0] != '"' {
		return Label{}, false
	}
	if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	return Label{Name: name[1:], Value: value}, true
}

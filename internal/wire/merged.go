package wire

import (
	"bytes"
	"crypto/md5" // the protocol's
	"fmt"
	"strconv"
	"strings"
)

// File is a shared file: agent.conf, rootkit_files.txt and the like.
type File struct {
	Name    string
	Content []byte
}

// Merge returns the files as merged.mg: for each a line "!1210 agent.conf", and its content. The error wraps ErrFormat.
func Merge(files []File) ([]byte, error) {
	var merged []byte
	for _, f := range files {
		if err := checkName(f.Name); err != nil {
			return nil, err
		}
		merged = fmt.Appendf(merged, "!%d %s\n", len(f.Content), f.Name)
		merged = append(merged, f.Content...)
	}
	return merged, nil
}

// Unmerge takes merged.mg apart. Lines between the files that don't begin with "!" are passed over: Wazuh has comments there. The contents are
// the given slice's. The error wraps ErrFormat.
func Unmerge(merged []byte) ([]File, error) {
	var files []File
	for rest := merged; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		place := len(merged) - len(rest)
		rest = after
		if len(line) == 0 || line[0] != '!' {
			continue
		}
		size, name, _ := strings.Cut(string(line[1:]), " ")
		n, err := strconv.ParseUint(size, 10, 31)
		if err != nil || !ended || n > uint64(len(rest)) {
			return nil, fmt.Errorf("%w: merged file at byte %d: %.60q: no such size", ErrFormat, place, line)
		}
		if err := checkName(name); err != nil {
			return nil, fmt.Errorf("merged file at byte %d: %w", place, err)
		}
		files = append(files, File{Name: name, Content: rest[:n:n]})
		rest = rest[n:]
	}
	return files, nil
}

// checkName refuses names that lead out of the agent's folder, or that the messages can't hold.
func checkName(name string) error {
	if name == "" || len(name) > 200 || name[0] == '.' || strings.Contains(name, "..") || strings.ContainsAny(name, "/\\\n\r\x00") {
		return fmt.Errorf("%w: shared file %.60q: a name has 1 to 200 characters without / and \\, and no dot in front", ErrFormat, name)
	}
	return nil
}

// Push returns the messages that give a file to an agent, in the order in which they have to come. Sealed, each is MaxToAgent bytes at most. The
// agent keeps the file if all came; if not, it says so in its next keep-alive. The parts are the content's slices. The error wraps ErrFormat.
func Push(name string, content []byte) ([][]byte, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if i := bytes.IndexByte(content, 0); i >= 0 {
		return nil, fmt.Errorf("%w: shared file %s: byte %d is NUL, which can't be sent to agents: leave it out", ErrFormat, name, i)
	}
	if IsControl(content) {
		return nil, fmt.Errorf("%w: shared file %s begins with %q, which agents take for a command: merge it", ErrFormat, name, Control)
	}
	messages := [][]byte{fmt.Appendf(nil, "%s%x %s\n", upFile, md5.Sum(content), name)}
	for len(content) > 0 {
		n := min(MaxPushChunk, len(content))
		if IsControl(content[n:]) {
			n-- // the next part would be taken for a command
		}
		messages = append(messages, content[:n])
		content = content[n:]
	}
	return append(messages, []byte(closeFile)), nil
}

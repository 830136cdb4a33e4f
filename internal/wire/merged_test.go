package wire_test

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/yagura-hids/yagura/internal/wire"
)

func TestMerge(t *testing.T) {
	files := []wire.File{{Name: "agent.conf", Content: []byte("<agent_config>\n</agent_config>")}, {Name: "ar.conf", Content: []byte{}}, {Name: "x y.txt", Content: []byte("!9 z\n")}}
	merged, err := wire.Merge(files)
	if err != nil || string(merged) != "!30 agent.conf\n<agent_config>\n</agent_config>!0 ar.conf\n!5 x y.txt\n!9 z\n" {
		t.Errorf("%q %v", merged, err)
	}
	again, err := wire.Unmerge(append([]byte("#default\n\n"), merged...))
	if diff := cmp.Diff(files, again); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestUnmergeRefuses(t *testing.T) {
	for _, merged := range []string{
		"!5 a\nxxxx", "!5 a", "!-1 a\nx", "!x a\nx", "!99999999999999999999 a\nx", "!1\nx", "!1 \nx", "!1 ../a\nx", "!1 a/b\nx", "!1 ..\nx", "!1 .a\nx", "!1 a\\b\nx",
		"!1 a\x00b\nx", "!1 a\r\nx", "!1 " + strings.Repeat("a", 201) + "\nx", "!4294967295 a\nx", "!0 a\n!2 b\nx", "! 1 a\nx", "!+1 a\nx",
	} {
		if files, err := wire.Unmerge([]byte(merged)); !errors.Is(err, wire.ErrFormat) {
			t.Errorf("%q: %v %v", merged, files, err)
		}
	}
	for _, name := range []string{"", "..", "a/b", "a\nb", ".hidden", "a\x00"} {
		if _, err := wire.Merge([]wire.File{{Name: name}}); !errors.Is(err, wire.ErrFormat) {
			t.Errorf("merged %q: %v", name, err)
		}
	}
}

// receive does what an OSSEC agent does with a push. It returns the file that it keeps.
func receive(t testing.TB, messages [][]byte) (name string, content []byte) {
	t.Helper()
	open, sum := false, ""
	for _, m := range messages {
		switch text := string(m); {
		case strings.HasPrefix(text, "#!-up file "):
			sum, name, _ = strings.Cut(strings.TrimPrefix(text, "#!-up file "), " ")
			name, open, content = strings.TrimSuffix(name, "\n"), true, nil
		case text == "#!-close file ":
			if open = false; fmt.Sprintf("%x", md5.Sum(content)) != sum {
				t.Fatalf("md5 of %s", name)
			}
		case !open || strings.HasPrefix(text, "#!-") || text == "":
			t.Fatalf("%.20q isn't understood", text)
		default:
			text, _, _ = strings.Cut(text, "\x00")
			content = append(content, text...)
		}
	}
	if open {
		t.Fatal("not closed")
	}
	return name, content
}

func TestPush(t *testing.T) {
	edge := func(at int) string { return strings.Repeat("x", at) + "#!-" + strings.Repeat("y", 1000) }
	for _, content := range []string{
		"", "!", strings.Repeat("x", 899), strings.Repeat("x", 900), strings.Repeat("x", 901), strings.Repeat("line\n", 3000),
		edge(898), edge(899), edge(900), edge(901), edge(1800), strings.Repeat("x", 897) + "#!-", "x" + strings.Repeat("#!-", 2000), "!#!-", "#!", "\xff\xfe",
	} {
		messages, err := wire.Push("merged.mg", []byte(content))
		if err != nil {
			t.Fatal(err)
		}
		if name, got := receive(t, messages); name != "merged.mg" || string(got) != content {
			t.Errorf("%d bytes became %s of %d", len(content), name, len(got))
		}
		if want := 2 + (len(content)+898)/899; len(messages) > want {
			t.Errorf("%d messages for %d bytes", len(messages), len(content))
		}
	}
}

func TestPushRefuses(t *testing.T) {
	for name, content := range map[string]string{"a": "x\x00", "b": "#!-execd", "../c": "x", "": "x"} {
		if _, err := wire.Push(name, []byte(content)); !errors.Is(err, wire.ErrFormat) {
			t.Errorf("%q %q: %v", name, content, err)
		}
	}
}

// TestPushedFitsAgents seals what can't be compressed.
func TestPushedFitsAgents(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	codec, at := wire.NewCodec(key), time.Unix(1795422569, 0)
	var counter wire.Counter
	content := make([]byte, 50_000)
	for i := range content {
		content[i] = byte(1 + random.IntN(255))
	}
	letters := make([]byte, 200)
	for i := range letters {
		letters[i] = byte('!' + 1 + random.IntN(12))
	}
	messages, err := wire.Push(string(letters), content)
	if err != nil {
		messages, err = wire.Push(strings.Repeat("n", 200), content)
	}
	if err != nil {
		t.Fatal(err)
	}
	longest := 0
	for _, text := range messages {
		for _, c := range []wire.Cipher{wire.Blowfish, wire.AES, wire.WazuhAES} {
			global, local := counter.Next(at)
			sealed, err := codec.Seal(nil, "", wire.Message{Cipher: c, Random: 65535, Global: global, Local: local, Text: text})
			if err != nil {
				t.Fatal(err)
			}
			longest = max(longest, len(sealed))
		}
	}
	if longest > wire.MaxToAgent || longest < 960 {
		t.Errorf("the longest has %d bytes", longest)
	}
}

func TestPushAnything(t *testing.T) {
	part := rapid.OneOf(rapid.SampledFrom([]string{"#!-", "#", "!", "-", "#!"}), rapid.Map(rapid.IntRange(0, 910), func(n int) string { return strings.Repeat("z", n) }))
	rapid.Check(t, func(rt *rapid.T) {
		content := "!" + strings.Join(rapid.SliceOfN(part, 0, 12).Draw(rt, "parts"), "")
		messages, err := wire.Push("merged.mg", []byte(content))
		if err != nil {
			rt.Fatal(err)
		}
		if _, got := receive(t, messages); string(got) != content {
			rt.Fatalf("%q became %q", content, got)
		}
	})
}

// FuzzUnmerge holds that what is taken apart can be put together.
func FuzzUnmerge(f *testing.F) {
	f.Add([]byte("#default\n!5 agent.conf\nhello!0 ar.conf\n"))
	f.Add([]byte("!5 ../x\nhello"))
	f.Fuzz(func(t *testing.T, merged []byte) {
		files, err := wire.Unmerge(merged)
		if err != nil {
			return
		}
		again, err := wire.Merge(files)
		if err != nil || len(again) > len(merged) {
			t.Fatalf("%q became %q: %v", merged, again, err)
		}
		files2, err := wire.Unmerge(again)
		if err != nil || len(files2) != len(files) {
			t.Fatalf("%q became %q: %v", merged, again, err)
		}
		for i, file := range files {
			if file.Name != files2[i].Name || !bytes.Equal(file.Content, files2[i].Content) || strings.ContainsAny(file.Name, "/\x00") {
				t.Errorf("%v, then %v", file, files2[i])
			}
		}
	})
}

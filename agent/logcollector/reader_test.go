package logcollector_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	. "github.com/yagura-hids/yagura/agent/logcollector"
)

func gz(t testing.TB, text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zst(t testing.TB, text string) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll([]byte(text), nil)
}

func readAll(t *testing.T, path string) (out []Line, last error) {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		l, err := r.Next()
		if err != nil {
			if read, size := r.Progress(); err == io.EOF && read != size {
				t.Errorf("at the end %d of %d bytes are read", read, size)
			}
			return out, err
		}
		out = append(out, l)
	}
}

func TestOpen(t *testing.T) {
	const text = "one\r\n\ntwo\nlast"
	path := filepath.Join(t.TempDir(), "log")
	want := []Line{{Location: path, Text: "one"}, {Location: path, Text: "two", Offset: 6}, {Location: path, Text: "last", Offset: 10}}
	for name, data := range map[string][]byte{
		"plain": []byte(text), "gz": gz(t, text), "zst": zst(t, text),
		"two gz": append(gz(t, text[:8]), gz(t, text[8:])...), "two zst": append(zst(t, text[:8]), zst(t, text[8:])...),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := readAll(t, path); err != io.EOF || !slices.Equal(got, want) {
				t.Errorf("%v, got %+v", err, got)
			}
		})
	}
}

func TestOpenFaults(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(t, path); len(got) > 0 || err != io.EOF {
		t.Errorf("empty file: %v, %v", got, err)
	}
	text := strings.Repeat("one line\n", 10_000)
	for _, data := range [][]byte{gz(t, text)[:150], zst(t, text)[:30], {0x1f, 0x8b}} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readAll(t, path); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), path) {
			t.Errorf("cut off: %v", err)
		}
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("directory: %v", err)
	}
	if _, err := Open(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

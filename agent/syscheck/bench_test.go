//go:build linux

package syscheck_test

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/syscheck"
)

var withPackages = flag.Bool("packages", false, "the benchmarks' scans ask the package manager, too")

var tree = flag.String("tree", "", "a directory for BenchmarkTree, such as /usr")

func benchHost(b *testing.B, dir string) *host {
	b.Helper()
	h := &host{dir: dir, spool: openSpool(b, filepath.Join(b.TempDir(), "agent.db"), "web1")}
	h.conf = syscheck.Config{Packages: *withPackages, Directories: []syscheck.Directory{{Path: dir, Check: all, Recursion: -1}}}
	return h
}

// scanned makes a fast scan, and tells how many events that were kept are then forgotten.
func scanned(b *testing.B, s *syscheck.Syscheck) syscheck.Stats {
	b.Helper()
	st, err := s.Scan(context.Background(), true)
	if err != nil {
		b.Fatal(err)
	}
	return st
}

func (h *host) syscheck(b *testing.B) *syscheck.Syscheck {
	b.Helper()
	s, err := syscheck.New(h.conf, syscheck.Options{Spool: h.spool})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

const largeSize = 256 << 20

func largeFile(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "large"), make([]byte, largeSize), 0o600); err != nil {
		b.Fatal(err)
	}
	return dir
}

// A scan of a large file that is in memory, beside the same content hashed where it lies.
func BenchmarkLargeFile(b *testing.B) {
	b.Run("scan", func(b *testing.B) {
		s := benchHost(b, largeFile(b)).syscheck(b)
		scanned(b, s)
		b.SetBytes(largeSize)
		for b.Loop() {
			scanned(b, s)
		}
	})
	b.Run("sha256", func(b *testing.B) {
		buf := make([]byte, 64<<10)
		h := sha256.New()
		b.SetBytes(largeSize)
		for b.Loop() {
			for range largeSize / len(buf) {
				h.Write(buf)
			}
		}
	})
	b.Run("read+sha256", func(b *testing.B) {
		path := filepath.Join(largeFile(b), "large")
		b.SetBytes(largeSize)
		for b.Loop() {
			f, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			h := sha256.New()
			if _, err := io.CopyBuffer(h, struct{ io.Reader }{f}, make([]byte, 64<<10)); err != nil {
				b.Fatal(err)
			}
			f.Close()
		}
	})
}

// A scan of many small files, none of which has changed; ns/op is that of one file.
func BenchmarkSmallFiles(b *testing.B) {
	const n = 5000
	dir := b.TempDir()
	for i := range n {
		path := filepath.Join(dir, fmt.Sprint(i%50), fmt.Sprint(i))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, 2000), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	s := benchHost(b, dir).syscheck(b)
	scanned(b, s)
	b.ReportAllocs()
	cpu := processTime()
	scans := 0
	for b.Loop() {
		scanned(b, s)
		scans++
	}
	b.ReportMetric(float64((processTime()-cpu).Microseconds())/float64(scans*n), "cpu-µs/file")
}

// A whole tree, -args -tree /usr: the first scan, and then one that finds nothing new. Compare with aide --init and --check.
func BenchmarkTree(b *testing.B) {
	if *tree == "" {
		b.Skip("no -tree is given")
	}
	h := benchHost(b, *tree)
	s := h.syscheck(b)
	for _, name := range []string{"first", "again"} {
		b.Run(name, func(b *testing.B) {
			cpu, start := processTime(), time.Now()
			st := scanned(b, s)
			b.ReportMetric((processTime() - cpu).Seconds(), "cpu-s")
			b.ReportMetric(time.Since(start).Seconds(), "s")
			b.ReportMetric(float64(st.Files), "files")
			b.ReportMetric(float64(st.Bytes)/1e6, "MB")
		})
	}
}

// processTime returns the processor time that this process has used.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

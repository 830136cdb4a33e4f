package syscheck

import (
	"context"
	"crypto/md5"  //nolint:gosec // OSSEC's
	"crypto/sha1" //nolint:gosec // OSSEC's
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// The types of files in st_mode, which are the same on all systems.
const (
	typeMask      = 0o170000
	typeRegular   = 0o100000
	typeDirectory = 0o040000
	typeLink      = 0o120000
)

// The seconds of the years 1 to 9999: JSON knows no other times, files may have them.
const (
	firstSecond = -62135596800
	lastSecond  = 253402300799
)

func (k *known) isRegular() bool { return k.mode&typeMask == typeRegular }
func (k *known) isLink() bool    { return k.mode&typeMask == typeLink }
func (k *known) isDir() bool     { return k.mode&typeMask == typeDirectory }

// bufferSize is how much of a file is read at once. It fits into a core's nearest cache, so that hashing finds it there.
const bufferSize = 64 << 10

// looker looks at files. One is used by one goroutine.
type looker struct {
	prefilter []string
	step      func(ctx context.Context, bytes int) error // called now and then, with what was read since; it may wait
	fast      bool                                       // may use another core to read
	md5       hash.Hash
	sha1      hash.Hash
	sha256    hash.Hash
}

var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

func newLooker(prefilter []string, fast bool, step func(ctx context.Context, bytes int) error) *looker {
	return &looker{prefilter: prefilter, fast: fast, step: step, md5: md5.New(), sha1: sha1.New(), sha256: sha256.New()}
}

// errChanged is that a path is something else now than a moment ago.
var errChanged = errors.New("it changes all the time")

// look returns what there is at a path, with what check asks for: nil if there is neither a regular file nor a symbolic link. The trouble, if
// any, is why a file couldn't be read; the record then has no hashes. Errors are those of ctx, or that the system tells nothing of the path.
func (l *looker) look(ctx context.Context, path string, check Check, follow bool) (k *known, trouble, err error) {
	for range 4 { // it may become something else between two system calls
		k, err = statPath(path, follow)
		switch {
		case gone(err):
			return nil, nil, nil
		case err != nil:
			return nil, nil, err
		case k.isLink():
			k, trouble, err = l.link(ctx, path, check, k)
		case k.isRegular():
			k, trouble, err = l.regular(ctx, path, check, k, follow)
		default:
			return nil, nil, nil
		}
		if err != errChanged {
			if k != nil {
				k.deaf = trouble != nil
			}
			return k, trouble, err
		}
	}
	return nil, nil, fmt.Errorf("%s: %w", path, err)
}

// gone tells whether an error says that nothing is there.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) }

func (l *looker) regular(ctx context.Context, path string, check Check, st *known, follow bool) (k *known, trouble, err error) {
	if check&hashes == 0 {
		return st.only(check), nil, nil
	}
	f, k, err := openFile(path, follow)
	switch {
	case gone(err), errors.Is(err, syscall.ELOOP):
		return nil, nil, errChanged
	case err != nil:
		return st.only(check), err, nil
	}
	defer f.Close()
	if !k.isRegular() {
		return nil, nil, errChanged
	}
	size := k.size
	k = k.only(check)
	trouble, err = l.hash(ctx, k, path, io.LimitReader(f, size))
	return k, trouble, err
}

// link looks at a symbolic link; the hashes are those of its target, if that is a regular file.
func (l *looker) link(ctx context.Context, path string, check Check, k *known) (_ *known, trouble, err error) {
	target, err := os.Readlink(path)
	if err != nil {
		return nil, nil, errChanged
	}
	k = k.only(check)
	k.link = target
	if check&hashes == 0 {
		return k, nil, nil
	}
	st, err := statPath(path, true)
	if err != nil || !st.isRegular() { // it may lead nowhere, or in a circle
		return k, nil, nil
	}
	f, st, err := openFile(path, true)
	if err != nil {
		return k, err, nil
	}
	defer f.Close()
	if !st.isRegular() {
		return nil, nil, errChanged
	}
	trouble, err = l.hash(ctx, k, path, io.LimitReader(f, st.size))
	return k, trouble, err
}

// hash sets the hashes that k is to have. The content is limited to what it was when the file was opened: there is no end to a log.
func (l *looker) hash(ctx context.Context, k *known, path string, content io.Reader) (trouble, err error) {
	if len(l.prefilter) > 0 {
		done, err := l.filtered(ctx, k, path)
		if done || err != nil {
			return nil, err
		}
	}
	return l.sum(ctx, k, content)
}

// sum reads r to its end and sets the hashes.
func (l *looker) sum(ctx context.Context, k *known, r io.Reader) (trouble, err error) {
	next, stop := l.chunks(r)
	defer stop()
	used := l.hashes(k.check)
	for {
		chunk, err := next()
		for _, h := range used {
			h.Write(chunk)
		}
		if len(chunk) > 0 {
			if err := l.step(ctx, len(chunk)); err != nil {
				return nil, err
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err, nil
		}
	}
	k.hashed = k.check & hashes
	for _, h := range used {
		switch h {
		case l.md5:
			h.Sum(k.md5[:0])
		case l.sha1:
			h.Sum(k.sha1[:0])
		case l.sha256:
			h.Sum(k.sha256[:0])
		}
	}
	return nil, nil
}

// chunks returns a function that returns r's bytes, a chunk at each call, which is gone at the next one, and one that must be called at the end.
func (l *looker) chunks(r io.Reader) (next func() ([]byte, error), stop func()) {
	if large, ok := r.(*io.LimitedReader); ok && l.fast && large.N >= aheadSize {
		return ahead(r)
	}
	buf := buffers.Get().(*[]byte)
	next = func() ([]byte, error) {
		n, err := r.Read(*buf)
		return (*buf)[:n], err
	}
	return next, func() { buffers.Put(buf) }
}

// hashes returns those that check asks for, reset.
func (l *looker) hashes(check Check) (used []hash.Hash) {
	for _, h := range []struct {
		check Check
		hash  hash.Hash
	}{{MD5, l.md5}, {SHA1, l.sha1}, {SHA256, l.sha256}} {
		if check&h.check != 0 {
			h.hash.Reset()
			used = append(used, h.hash)
		}
	}
	return used
}

// filtered hashes what the prefilter writes. It isn't done if that fails, as prelink does for a file that it has never touched: then the file
// itself counts.
func (l *looker) filtered(ctx context.Context, k *known, path string) (done bool, err error) {
	args := append(l.prefilter[1:len(l.prefilter):len(l.prefilter)], path)
	cmd := exec.CommandContext(ctx, l.prefilter[0], args...)
	out, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		return false, ctx.Err()
	}
	trouble, err := l.sum(ctx, k, out)
	if wait := cmd.Wait(); wait != nil || trouble != nil {
		k.hashed = 0
		return false, err
	}
	return err == nil, err
}

//go:build unix

package rootcheck

import (
	"cmp"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// rootkitFiles looks for the files that rootkits leave.
func rootkitFiles(ctx context.Context, s *scan) error {
	list := slices.Clone(s.db.files)
	slices.SortStableFunc(list, func(a, b rootkit) int { return cmp.Compare(filepath.Dir(a.path), filepath.Dir(b.path)) })
	var names siblings
	for _, r := range list {
		if err := s.rest(ctx); err != nil {
			return err
		}
		path := s.at("/" + strings.TrimPrefix(r.path, "/"))
		if s.isThere(path, &names) {
			if err := s.rootkit(ctx, r, path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *scan) rootkit(ctx context.Context, r rootkit, path string) error {
	sums, err := s.sums(ctx, path)
	s.found("Rootkit '%s' detected by the presence of file '%s'.%s", r.name, path, sums)
	return err
}

// siblings are the names in the directory that was asked for last.
type siblings struct {
	dir   string
	names map[string]bool
}

func (l *siblings) has(path string) bool {
	dir, base := filepath.Split(path)
	if dir != l.dir {
		l.dir, l.names = dir, map[string]bool{}
		entries, _ := os.ReadDir(dir) // what was read before an error counts
		for _, e := range entries {
			l.names[e.Name()] = true
		}
	}
	return l.names[base]
}

// isThere tells whether a file is there. A rootkit may hide it from some of these ways; one success is enough. To open may have effects, but
// not on what isn't there.
func (s *scan) isThere(path string, names *siblings) bool {
	if _, err := s.lstat(path); err == nil {
		return true
	}
	if unix.Access(path, unix.F_OK) == nil {
		return true
	}
	if f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0); err == nil {
		f.Close() //nolint:errcheck // nothing was written
		return true
	}
	return names.has(path)
}

// sums returns a file's digests as they stand in a finding.
func (s *scan) sums(ctx context.Context, path string) (string, error) {
	none := " MD5=n/a SHA1=n/a SHA256=n/a"
	f, err := openRegular(path)
	if err != nil {
		return none, nil // no regular file, or one that can't be read
	}
	defer f.Close() //nolint:errcheck // nothing was written
	h5, h1, h256 := md5.New(), sha1.New(), sha256.New()
	n, err := s.copy(ctx, io.MultiWriter(h5, h1, h256), io.LimitReader(f, maxRead+1))
	switch {
	case ctx.Err() != nil:
		return none, ctx.Err()
	case err != nil || n > maxRead:
		return none, nil // it can't be read, or not in reasonable time
	}
	return fmt.Sprintf(" MD5=%x SHA1=%x SHA256=%x", h5.Sum(nil), h1.Sum(nil), h256.Sum(nil)), nil
}

var errNotRegular = errors.New("not a regular file")

// openRegular opens a regular file, also behind a link, and nothing else: neither waits for a pipe's other end nor wakes a device.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(errNotRegular, f.Close())
	}
	return f, nil
}

// copy copies in the scan's pace.
func (s *scan) copy(ctx context.Context, w io.Writer, r io.Reader) (n int64, err error) {
	if s.buf == nil {
		s.buf = make([]byte, 128<<10)
	}
	for {
		if err := s.pace.rest(ctx); err != nil {
			return n, err
		}
		m, err := r.Read(s.buf)
		n += int64(m)
		if _, werr := w.Write(s.buf[:m]); werr != nil {
			return n, werr
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// devNames are directories and files that belong into /dev although they are none of its own kind.
var devNames = map[string]bool{
	"MAKEDEV": true, "README.MAKEDEV": true, "MAKEDEV.README": true, "MAKEDEV.local": true, ".udevdb": true, ".udev.tdb": true, ".udev": true,
	".initramfs-tools": true, ".initramfs": true, "oprofile": true, "fd": true, "cgroup": true,
}

// devPaths are where others keep regular files: shared memory, message queues and huge pages are file systems of their own.
var devPaths = map[string]bool{
	"/dev/shm": true, "/dev/bus/usb/.usbfs": true, "/dev/gpmctl": true, "/dev/mqueue": true, "/dev/hugepages": true, "/dev/.lxc": true,
}

// devices looks for regular files in /dev, where nobody looks for them.
func devices(ctx context.Context, s *scan) error {
	root := s.at("/dev")
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err := s.rest(ctx); err != nil {
			return err
		}
		switch {
		case err != nil:
			return nil //nolint:nilerr // gone, or not for us
		case path != root && (devNames[d.Name()] || devPaths["/dev"+strings.TrimPrefix(path, root)]):
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.Type().IsRegular():
			s.found("File '%s' present on /dev. Possible hidden file.", path)
		}
		return nil
	})
}

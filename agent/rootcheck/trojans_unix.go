//go:build unix

package rootcheck

import (
	"context"
	"path/filepath"
)

// binDirs are where programs are that a signature names without a path.
var binDirs = []string{"/bin", "/sbin", "/usr/bin", "/usr/sbin"}

// suspect is a program with the signatures to look for in it.
type suspect struct {
	path       string // as it is told
	signatures []trojan
}

// trojans looks for signatures in the printable text of programs. Each program is read once, though /bin may be a link to /usr/bin.
func trojans(ctx context.Context, s *scan) error {
	var list []*suspect
	byPlace := map[string]*suspect{}
	for _, t := range s.db.trojans {
		once := map[string]bool{}
		for _, path := range s.places(t.file) {
			dir, err := filepath.EvalSymlinks(filepath.Dir(path))
			if err != nil {
				continue // there's no such directory
			}
			place := filepath.Join(dir, filepath.Base(path))
			if once[place] {
				continue
			}
			once[place] = true
			if byPlace[place] == nil {
				byPlace[place] = &suspect{path: path}
				list = append(list, byPlace[place])
			}
			byPlace[place].signatures = append(byPlace[place].signatures, t)
		}
	}
	for _, p := range list {
		if err := s.trojan(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (s *scan) places(file string) (paths []string) {
	if filepath.IsAbs(file) {
		return []string{s.at(file)}
	}
	for _, dir := range binDirs {
		paths = append(paths, s.at(filepath.Join(dir, file)))
	}
	return paths
}

func (s *scan) trojan(ctx context.Context, p *suspect) error {
	f, err := openRegular(p.path)
	if err != nil {
		return nil // not installed
	}
	defer f.Close() //nolint:errcheck // nothing was written
	runs := &runs{open: p.signatures}
	if _, err := s.copy(ctx, runs, f); ctx.Err() != nil || err != nil {
		return ctx.Err()
	}
	runs.end()
	for _, t := range runs.hits {
		desc := t.desc
		if desc == "" {
			desc = "Generic"
		}
		sums, err := s.sums(ctx, p.path)
		if err != nil {
			return err
		}
		s.found("Trojaned version of file '%s' detected. Signature used: '%s' (%s).%s", p.path, t.regex, desc, sums)
	}
	return nil
}

const (
	minRun = 4
	maxRun = 16 << 10
	tail   = 1 << 10 // a longer run is looked at in pieces, that have so much in common
)

// runs is written a program, and looks at its runs of printable characters, as strings(1) shows them.
type runs struct {
	open []trojan // not found so far
	hits []trojan
	run  []byte
}

// Write takes the next bytes of the program.
func (r *runs) Write(data []byte) (int, error) {
	for i := 0; i < len(data); {
		if !printable(data[i]) {
			r.end()
			i++
			continue
		}
		begin := i
		for i < len(data) && printable(data[i]) && len(r.run)+i-begin < maxRun {
			i++
		}
		r.run = append(r.run, data[begin:i]...)
		if len(r.run) >= maxRun {
			r.look()
			r.run = append(r.run[:0], r.run[maxRun-tail:]...)
		}
	}
	return len(data), nil
}

func printable(b byte) bool { return b >= ' ' && b <= '~' || b == '\t' }

// end ends the run.
func (r *runs) end() {
	if len(r.run) >= minRun {
		r.look()
	}
	r.run = r.run[:0]
}

func (r *runs) look() {
	for i := 0; i < len(r.open); {
		if !r.open[i].re.Match(r.run) {
			i++
			continue
		}
		r.hits = append(r.hits, r.open[i])
		r.open = append(r.open[:i:i], r.open[i+1:]...)
	}
}

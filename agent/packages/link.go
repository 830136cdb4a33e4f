package packages

import (
	"cmp"
	"context"
	"maps"
	"slices"
)

// Algorithm is a hash that databases have of files.
type Algorithm uint8

// The algorithms. None: the database has none, as of symbolic links.
const (
	None Algorithm = iota
	MD5
	SHA1
	SHA256
)

// digest is what a database says of a file's content: the first half of it, if it is longer.
type digest struct {
	algorithm Algorithm
	sum       [16]byte
}

// Content is what there is at a path.
type Content struct {
	Symlink bool
	New     bool                   // nothing was there before
	Target  string                 // of a symbolic link: the path of the file that it leads to, "" if it leads to none
	Sum     func(Algorithm) []byte // of the content, of the target's; nil if it isn't known
}

// files is paths of packages with their digests, sorted by the paths' hashes. 28 bytes each, where strings would take 150.
type files struct {
	list []entry
	work []*Work
}

type entry struct {
	path uint64
	sum  digest
	work uint16 // place in files.work
}

// maxWork is how many packages' files are known at once: more are changed by new releases of a whole system at most, and the rest then is told unlinked.
const maxWork = 1 << 16

func (x *Index) load(ctx context.Context) {
	if x.files != nil {
		return
	}
	x.files = &files{}
	x.paths = newAliases(x.o.Root)
	for _, m := range x.managers {
		keys, at := map[string]bool{}, map[string]uint16{}
		for _, full := range slices.Sorted(maps.Keys(x.work)) {
			if key, ok := ofManager(full, "", m.name()); ok && len(x.files.work) < maxWork {
				keys[key], at[key] = true, uint16(len(x.files.work))
				x.files.work = append(x.files.work, x.work[full])
			}
		}
		if len(keys) == 0 {
			continue
		}
		err := m.files(ctx, keys, true, func(key, path string, sum digest) {
			x.files.list = append(x.files.list, entry{hashOf(x.paths.real(path)), sum, at[key]})
		})
		if err != nil {
			x.tell(err)
		}
	}
	x.files.list = slices.Clip(x.files.list)
	slices.SortFunc(x.files.list, func(a, b entry) int { return cmp.Compare(a.path, b.path) })
}

// at returns what is known of a path.
func (f *files) at(path uint64) []entry {
	first, _ := slices.BinarySearchFunc(f.list, path, func(e entry, h uint64) int { return cmp.Compare(e.path, h) })
	end := first
	for end < len(f.list) && f.list[end].path == path {
		end++
	}
	return f.list[first:end]
}

// Link returns the work that made just this change of a path, nil if none did, and, if that can't be told, the algorithms by which it could. c is nil
// if nothing is there any more.
func (x *Index) Link(ctx context.Context, path string, c *Content) (w *Work, lacks []Algorithm) {
	if len(x.work) == 0 {
		return nil, nil
	}
	if x.paths == nil {
		x.paths = newAliases(x.o.Root)
	}
	h := hashOf(x.paths.within(path))
	if c == nil {
		return x.removed(h), nil
	}
	x.load(ctx)
	for _, e := range x.files.at(h) {
		w, need := x.files.made(e, c, func() []entry { return x.files.at(hashOf(x.paths.within(c.Target))) })
		if w != nil {
			return w, nil
		}
		if need != None && !slices.Contains(lacks, need) {
			lacks = append(lacks, need)
		}
	}
	return nil, lacks
}

func (x *Index) removed(h uint64) *Work {
	for _, key := range slices.Sorted(maps.Keys(x.work)) {
		w := x.work[key]
		if _, ok := slices.BinarySearch(w.gone, h); ok {
			return w
		}
	}
	return nil
}

// made tells whether what the database knows of a path is what is there. Of a symbolic link the database may not know where it leads: one that
// was there before counts if it leads to a file of the same package.
func (f *files) made(e entry, c *Content, target func() []entry) (*Work, Algorithm) {
	w := f.work[e.work]
	switch {
	case w.Package.To == "" && e.sum.algorithm == None, c.Symlink != (e.sum.algorithm == None):
		return nil, None
	case !c.Symlink:
		return e.sum.agrees(w, c)
	case c.New:
		return w, None
	case c.Target == "":
		return nil, None
	}
	for _, t := range target() {
		if t.work == e.work && t.sum.algorithm != None {
			return t.sum.agrees(w, c)
		}
	}
	return nil, None
}

func (d digest) agrees(w *Work, c *Content) (*Work, Algorithm) {
	sum := c.Sum(d.algorithm)
	if sum == nil {
		return nil, d.algorithm
	}
	if len(sum) < len(d.sum) || [16]byte(sum) != d.sum {
		return nil, None
	}
	return w, None
}

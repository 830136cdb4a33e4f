// Package ruleset reads OSSEC's decoders, rules and lists from a file system and makes of them one frozen value.
//
//	ossec.conf's <rules>, or the files that lie there
//	  └─► read (osxml) ─► declare, compile ─► link (parents, decoded_as, if_matched_*) ─► check ─► freeze: index, hash
//
// All that is wrong in any file is reported at once. A Set does not change: goroutines and invocations share it without a lock.
package ruleset

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/decoder"
	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/pattern"
	"github.com/yagura-hids/yagura/internal/rule"
)

// Set is a ruleset ready to run.
type Set struct {
	Decoders *decoder.Tree
	Rules    *rule.Tree
	Index    *pattern.Index // of all patterns on the log
	Hash     string         // of all files read and their dialect: 16 hexadecimal digits
	Files    int
	Wazuh    bool // in Wazuh's dialect, not in OSSEC's
	patterns []*pattern.Pattern
	warnings error
}

// Warnings tells what is wrong in the files, though not so that they can't be used: a *osxml.FaultError, or nil. Wazuh leaves out a rule whose
// parent is not there; so do we in its dialect.
func (s *Set) Warnings() error { return s.warnings }

// Overruns names the patterns for which matching was given up at its time limit, as what a user should know: a line may have been missed.
func (s *Set) Overruns() []string {
	var list []string
	for _, p := range s.patterns {
		if p.Overruns() > 0 {
			list = append(list, fmt.Sprintf("pattern '%s' takes too long on some lines, which it then doesn't match; simplify it", p.Source()))
		}
	}
	return list
}

// Load reads the ruleset that files names in fsys. A name with "/" is relative to fsys's root; one without is in rules/. If files names no
// decoder, decoder.xml and local_decoder.xml are read, in the root or in etc/; if it names no rules, all of rules/*.xml, rules_config.xml first.
// A ruleset is in one dialect, OSSEC's or Wazuh's, for all its files: files.Wazuh says which.
// Its error is a *osxml.FaultError.
func Load(fsys fs.FS, files config.Rules) (*Set, error) {
	l := &loader{fsys: fsys, files: files, sum: sha256.New(), lists: map[string]map[string]string{}}
	l.decoders()
	l.rules()
	if err := l.faults.Err(); err != nil {
		return nil, err
	}
	if l.set.Wazuh = files.Wazuh; files.Wazuh { // the same files mean something else
		l.digest("dialect", []byte("wazuh"))
	}
	l.set.Index, l.set.patterns = pattern.NewIndex(l.patterns), l.patterns
	l.set.Hash = hex.EncodeToString(l.sum.Sum(nil)[:8])
	return &l.set, nil
}

type loader struct {
	fsys     fs.FS
	files    config.Rules
	faults   osxml.Faults
	sum      hash.Hash
	lists    map[string]map[string]string // by path
	patterns []*pattern.Pattern
	set      Set
}

func (l *loader) number(p *pattern.Pattern) int {
	l.patterns = append(l.patterns, p)
	return len(l.patterns) - 1
}

func (l *loader) decoders() {
	names := l.expand(l.files.Decoders, l.files.ExcludeDecoders)
	if len(names) == 0 {
		names = l.defaultDecoders()
	}
	builder := decoder.NewBuilder(l.number)
	builder.Wazuh = l.files.Wazuh
	for _, name := range names {
		roots, whole := l.read(name)
		if builder.Add(roots) == 0 && whole && !strings.HasPrefix(path.Base(name), "local_") {
			l.faults.Add(osxml.Pos{File: name}, "remove it from <rules>, or put decoders in it", "the file holds no decoder")
		}
	}
	tree, err := builder.Build()
	l.faults.Append("", err)
	l.set.Decoders = tree
}

func (l *loader) defaultDecoders() []string {
	for _, dir := range []string{"", "etc/"} {
		if l.exists(dir + "decoder.xml") {
			names := []string{dir + "decoder.xml"}
			if local := dir + "local_decoder.xml"; l.exists(local) {
				names = append(names, local)
			}
			return names
		}
	}
	l.faults.Add(osxml.Pos{File: "decoder.xml"}, "put it there, or name decoder files in ossec.conf's <rules>", "there is no decoder file")
	return nil
}

func (l *loader) rules() {
	names := l.expand(l.files.Includes, l.files.ExcludeRules)
	if len(l.files.Includes) == 0 {
		names = l.defaultRules()
	}
	builder := rule.NewBuilder(rule.Outside{Number: l.number, Decoder: l.set.Decoders.ID, List: l.list, Wazuh: l.files.Wazuh})
	for _, name := range names {
		roots, whole := l.read(name)
		if whole && len(roots) == 0 && l.files.Wazuh { // an empty file for rules to come
			continue
		}
		if whole || len(roots) > 0 {
			builder.Add(name, roots)
		}
	}
	tree, err := builder.Build()
	l.faults.Append("", err)
	l.set.Rules, l.set.warnings = tree, builder.Warnings()
}

func (l *loader) defaultRules() []string {
	for _, dir := range []string{"rules", "etc/rules"} {
		names := l.directory(config.Include{Path: dir + "/", Pattern: ".xml$"})
		if len(names) == 0 {
			continue
		}
		first := slices.IndexFunc(names, func(name string) bool { return path.Base(name) == "rules_config.xml" })
		if first > 0 {
			config := names[first]
			names = slices.Insert(slices.Delete(names, first, first+1), 0, config)
		}
		return names
	}
	l.faults.Add(osxml.Pos{File: "rules"}, "put rule files there, or name them in ossec.conf's <rules>", "there are no rules")
	return nil
}

// expand turns includes into the names of files, each once, in the order of reading. Excluded are files of directories.
func (l *loader) expand(includes []config.Include, exclude []string) []string {
	var names []string
	for _, in := range includes {
		found := []string{l.locate(in.Path)}
		if in.Dir {
			if found = l.directory(in); len(found) == 0 && !l.files.Wazuh { // which has directories for files to come
				l.faults.Add(in.Pos, "check the path and the pattern", "no file in %s matches %s", in.Path, in.Pattern)
			}
		} else if !l.exists(found[0]) {
			l.faults.Add(in.Pos, "put it there, or remove this line", "there is no file %s", found[0])
			continue
		}
		for _, name := range found {
			if !slices.Contains(names, name) && !(in.Dir && excluded(exclude, name)) {
				names = append(names, name)
			}
		}
	}
	if l.files.Wazuh { // reads by name, whatever the directory
		slices.SortStableFunc(names, func(a, b string) int { return strings.Compare(path.Base(a), path.Base(b)) })
	}
	return names
}

// locate finds a file by OSSEC's rule: no "/" means rules/; an absolute path is taken from the root. Both may also lie under etc/.
func (l *loader) locate(name string) string {
	name = path.Clean(strings.TrimLeft(name, "/"))
	candidates := []string{name, "etc/" + name}
	if l.files.Wazuh {
		candidates = wazuhPlaces(name)
	}
	if !strings.Contains(name, "/") && !l.files.Wazuh {
		candidates = []string{"rules/" + name, "etc/rules/" + name, name}
	}
	for _, c := range candidates {
		if l.exists(c) {
			return c
		}
	}
	return candidates[0]
}

func (l *loader) exists(name string) bool {
	info, err := fs.Stat(l.fsys, name)
	return err == nil && !info.IsDir()
}

func (l *loader) directory(in config.Include) []string {
	match, err := pattern.Compile(pattern.OSRegex, in.Pattern)
	if err != nil {
		l.faults.Add(in.Pos, "", "pattern %q: %v", in.Pattern, err)
		return nil
	}
	dir := path.Clean(strings.Trim(in.Path, "/"))
	var names []string
	places := []string{dir, "etc/" + dir}
	if l.files.Wazuh {
		places[1] = strings.TrimPrefix(dir, "ruleset/")
	}
	for _, dir := range places {
		entries, err := fs.ReadDir(l.fsys, dir)
		if err != nil {
			continue
		}
		for _, entry := range entries {
			if name := path.Join(dir, entry.Name()); !entry.IsDir() && match.MatchString(name) {
				names = append(names, name)
			}
		}
		break
	}
	slices.Sort(names)
	return names
}

// digest adds a file to what the set's hash is of.
func (l *loader) digest(name string, src []byte) {
	l.sum.Write([]byte(name))
	l.sum.Write([]byte{0})
	l.sum.Write(src)
}

// read parses a file and expands its variables; what it can't read becomes a fault. whole tells that nothing was lost.
func (l *loader) read(name string) (roots []*osxml.Element, whole bool) {
	src, err := fs.ReadFile(l.fsys, name)
	if err != nil {
		l.faults.Append(name, err)
		return nil, false
	}
	l.set.Files++
	l.digest(name, src)
	parse := osxml.Parse
	if l.files.Wazuh {
		parse = osxml.ParseWazuh
	}
	roots, err = parse(name, src)
	l.faults.Append(name, err)
	return osxml.Expand(roots, &l.faults), err == nil
}

package ruleset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/yagura-hids/yagura/internal/config"
)

// ErrNoRules is returned for a directory that holds neither decoders nor rules.
var ErrNoRules = errors.New("no decoders and no rules there: a ruleset has decoder.xml and rules/*.xml as under /var/ossec, " +
	"or as Wazuh's under ruleset/, or decoders/*.xml and rules/*.xml to add to the built-in ones")

// Choose returns the file system and the files of the ruleset that a user wants.
//
//   - dir "": own, the built-in one.
//   - dir has an ossec.conf that names one, or a decoder.xml (there or in etc/): that ruleset alone.
//   - dir is laid out as Wazuh's (see wazuh): that ruleset alone.
//   - dir has decoders/ or rules/: its files replace those of the same name in own, or come after them.
func Choose(own fs.FS, dir string) (fs.FS, config.Rules, error) {
	base, err := config.Read(own, "ossec.conf")
	if err != nil {
		return nil, config.Rules{}, fmt.Errorf("built-in ruleset: %w", err)
	}
	if dir == "" {
		return own, base.Rules, nil
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, config.Rules{}, fmt.Errorf("ruleset %s: want a directory: %w", dir, cmpErr(err, fs.ErrInvalid))
	}
	there := os.DirFS(dir)
	for _, name := range []string{"etc/ossec.conf", "ossec.conf"} {
		c, err := config.Read(there, name)
		switch {
		case config.IsMissing(err):
			continue
		case err != nil:
			return nil, config.Rules{}, err
		case len(c.Rules.Includes)+len(c.Rules.Decoders) > 0:
			return there, c.Rules, nil
		}
	}
	if rules, ok := wazuh(own, there); ok {
		return there, rules, nil
	}
	if exists(there, "decoder.xml") || exists(there, "etc/decoder.xml") {
		return there, config.Rules{}, nil
	}
	if !exists(there, "decoders") && !exists(there, "rules") {
		return nil, config.Rules{}, fmt.Errorf("ruleset %s: %w", dir, ErrNoRules)
	}
	rules := base.Rules
	rules.Decoders = append(slices.Clone(rules.Decoders), addition(there, "decoders")...)
	rules.Includes = append(slices.Clone(rules.Includes), addition(there, "rules")...)
	return overlay{there, own}, rules, nil
}

// Root returns the directory from which an ossec.conf's relative paths go: the one above etc/ if it lies there, as /var/ossec is.
func Root(conf string) string {
	dir := filepath.Dir(conf)
	if filepath.Base(dir) == "etc" {
		return filepath.Dir(dir)
	}
	return dir
}

func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

func exists(fsys fs.FS, name string) bool {
	_, err := fs.Stat(fsys, name)
	return err == nil
}

func addition(there fs.FS, dir string) []config.Include {
	if entries, err := fs.ReadDir(there, dir); err != nil || !slices.ContainsFunc(entries, isXML) {
		return nil
	}
	return []config.Include{{Path: dir + "/", Dir: true, Pattern: ".xml$"}}
}

func isXML(e fs.DirEntry) bool { return !e.IsDir() && strings.HasSuffix(e.Name(), ".xml") }

// overlay is two file systems laid over each other.
type overlay struct{ upper, lower fs.FS }

// Open returns the upper file of that name, or else the lower one.
func (o overlay) Open(name string) (fs.File, error) {
	f, err := o.upper.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return o.lower.Open(name)
	}
	return f, err
}

// ReadDir returns what is in either, by name.
func (o overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	upper, err := fs.ReadDir(o.upper, name)
	lower, lowerErr := fs.ReadDir(o.lower, name)
	if err != nil && lowerErr != nil {
		return nil, err
	}
	for _, e := range lower {
		if !slices.ContainsFunc(upper, func(u fs.DirEntry) bool { return u.Name() == e.Name() }) {
			upper = append(upper, e)
		}
	}
	slices.SortFunc(upper, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return upper, nil
}

// Package importer brings the files of an OSSEC or Wazuh installation that say what to watch and how to judge it: ossec.conf, decoders, rules,
// lists, the agents' keys and agent.conf.
//
//	/var/ossec ─► plan: which files, which of them are the user's own ─► copied, at the same places ─► DIR, for --conf and --rules
//	                 └─► what is left, and why
//
// The installation is a stranger's: no link is followed out of it, no file is read beyond a bound, and nothing there is changed.
package importer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/yagura-hids/yagura/internal/config"
)

// The bounds of what is read.
const (
	maxFile  = 64 << 20 // bytes of a file
	maxFiles = 10_000
)

// ErrNothing is returned for a folder that is no installation.
var ErrNothing = errors.New("no OSSEC or Wazuh there: want its folder, mostly /var/ossec, with etc/ossec.conf or rules in it")

// State is what became of a file at its destination.
type State string

// The states.
const (
	New      State = "new"
	Same     State = "same"     // it was there already
	Kept     State = "kept"     // another one is there, and was left
	Replaced State = "replaced" // another one was there
)

// Item is a file that was brought.
type Item struct {
	Path    string // relative, the same in both folders
	Own     bool   // the user's own, not OSSEC's or Wazuh's
	Changed bool   // not the user's own, but changed since the installation
	State   State
}

// Left is something that was not brought.
type Left struct{ What, Why string }

// Report is what an import did.
type Report struct {
	Wazuh  bool
	Items  []Item
	Left   []Left
	Agents int      // whose keys were brought
	Conf   string   // the path of ossec.conf, "" if there is none
	Shared []string // the paths of agent.conf files
}

// Options say how to bring.
type Options struct {
	Force bool   // replace files that are another at the destination; without it they are kept, and told
	Into  string // write here, as if it were the destination, which is left as it is: for a dry run
}

// Import brings from one folder to another, which is made if it's missing. Doing it twice is doing it once.
func Import(from, to string, opts Options) (*Report, error) {
	src, err := os.OpenRoot(from)
	if err != nil {
		return nil, fmt.Errorf("open the installation: %w", err)
	}
	defer closed(src)
	if within(to, src) {
		return nil, fmt.Errorf("%s lies in the installation, which is left as it is: name another destination", to)
	}
	i := &importer{src: src, force: opts.Force}
	i.plan()
	if len(i.Items) == 0 && len(i.Left) == 0 {
		return nil, fmt.Errorf("%s: %w", from, ErrNothing)
	}
	if i.old, err = os.OpenRoot(to); err == nil {
		defer closed(i.old)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look at the destination: %w", err)
	}
	if opts.Into != "" {
		to = opts.Into
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return nil, err
	}
	if i.dst, err = os.OpenRoot(to); err != nil {
		return nil, err
	}
	defer closed(i.dst)
	return &i.Report, i.copy()
}

// within tells whether a path is root's, or below it.
func within(name string, root *os.Root) bool {
	top, err := root.Stat(".")
	if err != nil {
		return false
	}
	name, err = filepath.Abs(name)
	for err == nil {
		if info, serr := os.Stat(name); serr == nil && os.SameFile(info, top) {
			return true
		}
		parent := filepath.Dir(name)
		if parent == name {
			break
		}
		name = parent
	}
	return false
}

type importer struct {
	Report
	src, dst  *os.Root
	old       *os.Root // the destination as it is; nil if it's missing
	force     bool
	installed time.Time // zero if it can't be told
}

func (i *importer) leave(what, why string, args ...any) {
	i.Left = append(i.Left, Left{what, fmt.Sprintf(why, args...)})
}

// plan finds the files to bring and what is left.
func (i *importer) plan() {
	i.Wazuh = i.isWazuh()
	for _, name := range []string{"bin/ossec-analysisd", "bin/wazuh-analysisd", "etc/ossec-init.conf"} {
		if info, err := i.src.Stat(name); err == nil {
			i.installed = info.ModTime()
			break
		}
	}
	i.conf()
	for _, name := range []string{"etc/decoder.xml", "etc/local_decoder.xml"} {
		i.add(name)
	}
	for _, dir := range []string{"decoders", "rules", "etc/rules", "etc/decoders", "ruleset/rules", "ruleset/decoders"} {
		i.walk(dir, func(name string) bool { return strings.HasSuffix(name, ".xml") })
	}
	for _, dir := range []string{"lists", "etc/lists", "ruleset/lists"} {
		i.walk(dir, func(string) bool { return true })
	}
	i.add("etc/client.keys")
	i.walk("etc/shared", func(name string) bool { return path.Base(name) == "agent.conf" })
	i.others()
}

// conf adds ossec.conf and what it names, and tells of its sections that have no effect.
func (i *importer) conf() {
	for _, name := range []string{"etc/ossec.conf", "ossec.conf"} {
		text, err := i.read(name)
		if err != nil {
			continue
		}
		i.add(name)
		i.Conf = name
		c, _ := config.Parse(name, text) // its faults are told when the whole is checked
		for _, section := range c.Unused {
			if agents[section] {
				continue
			}
			i.leave("<"+section+"> in "+name, "is not supported yet, and has no effect")
		}
		for _, in := range slices.Concat(c.Rules.Decoders, c.Rules.Includes) {
			if !in.Dir && strings.Contains(in.Path, "/") {
				i.add(path.Clean(strings.TrimLeft(in.Path, "/")))
			}
		}
		for _, list := range c.Rules.Lists {
			list = strings.TrimSuffix(path.Clean(strings.TrimLeft(list, "/")), ".cdb")
			i.add(list)
			i.add(list + ".cdb")
		}
		return
	}
}

// agents are the sections that agents and yagura local read: agent/config.
var agents = map[string]bool{"syscheck": true, "rootcheck": true, "client": true, "labels": true, "localfile": true}

// remains are the parts of an installation that mean something and aren't brought.
var remains = []struct{ name, why string }{
	{"active-response/bin", "active response is not supported yet"},
	{"queue/rids", "the counters of agents' messages begin anew"},
	{"etc/local_internal_options.conf", "the settings of OSSEC's daemons have no meaning here"},
	{"etc/authd.pass", "agents are not enrolled by it"},
	{"etc/sslmanager.key", "agents are not enrolled by it"},
	{"agentless/.passlist", "agentless checks are not supported"},
}

// others tells what there is beside.
func (i *importer) others() {
	for _, r := range remains {
		info, err := i.src.Stat(r.name)
		if err != nil || info.IsDir() && i.empty(r.name) || !info.IsDir() && info.Size() == 0 {
			continue
		}
		i.leave(r.name, "%s", r.why)
	}
}

func (i *importer) empty(dir string) bool {
	entries, _ := fs.ReadDir(i.src.FS(), dir)
	return len(entries) == 0
}

// isWazuh tells whether the folder is laid out as Wazuh's manager, or as the repository of its ruleset.
func (i *importer) isWazuh() bool {
	numbered, _ := fs.Glob(i.src.FS(), "rules/[0-9]*-rules_config.xml")
	info, err := i.src.Stat("ruleset/rules")
	return err == nil && info.IsDir() || len(numbered) > 0
}

// walk adds the files below dir that are wanted.
func (i *importer) walk(dir string, wanted func(name string) bool) {
	_ = fs.WalkDir(i.src.FS(), dir, func(name string, e fs.DirEntry, err error) error { // what can't be read is told as it comes
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fs.SkipDir
		case err != nil:
			i.leave(name, "can't be read: %v", err)
			return fs.SkipDir
		case len(i.Items) >= maxFiles:
			i.leave(dir, "has more than %d files", maxFiles)
			return fs.SkipAll
		case !e.IsDir() && wanted(name) && e.Name()[0] != '.':
			i.add(name)
		}
		return nil
	})
}

// add plans to bring a file, if it's there.
func (i *importer) add(name string) {
	if slices.ContainsFunc(i.Items, func(it Item) bool { return it.Path == name }) {
		return
	}
	if _, err := i.src.Lstat(name); err != nil {
		return
	}
	info, err := i.src.Stat(name)
	switch {
	case err != nil && strings.Contains(err.Error(), "escapes"):
		i.leave(name, "is a link that leads out of the installation; copy the file there if you want it")
	case err != nil:
		i.leave(name, "can't be read: %v", err)
	case !info.Mode().IsRegular():
		i.leave(name, "is no plain file")
	case info.Size() > maxFile:
		i.leave(name, "is larger than %d MiB", maxFile>>20)
	default:
		own := i.own(name)
		changed := !own && !i.installed.IsZero() && info.ModTime().After(i.installed.Add(time.Hour))
		i.Items = append(i.Items, Item{Path: name, Own: own, Changed: changed})
	}
}

// own tells whether a file is the user's own by where it is and how it's called.
func (i *importer) own(name string) bool {
	switch {
	case strings.HasPrefix(name, "ruleset/"):
		return false
	case strings.HasPrefix(path.Base(name), "local_"), !strings.HasSuffix(name, ".xml"):
		return true
	}
	return i.Wazuh && strings.HasPrefix(name, "etc/")
}

// read returns a file of the installation. A named pipe is no file, and doesn't stop it.
func (i *importer) read(name string) ([]byte, error) {
	f, err := i.src.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer closed(f)
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("no plain file"))
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("larger than %d MiB", maxFile>>20)
	}
	return text, err
}

// copy brings the files. What can't be read is left; what can't be written ends it.
func (i *importer) copy() error {
	items := i.Items[:0]
	for _, it := range i.Items {
		text, err := i.read(it.Path)
		if err != nil {
			i.leave(it.Path, "can't be read: %v", err)
			continue
		}
		if path.Base(it.Path) == "client.keys" {
			text = i.keys(it.Path, text)
		}
		if path.Base(it.Path) == "agent.conf" {
			i.Shared = append(i.Shared, it.Path)
		}
		if it.State, err = i.put(it.Path, text); err != nil {
			return fmt.Errorf("bring %s: %w", it.Path, err)
		}
		if it.State == Kept {
			i.leave(it.Path, "is another one at the destination, which was kept; --force replaces it")
		}
		items = append(items, it)
	}
	i.Items = items
	return nil
}

// keys leaves out of client.keys what is no agent's key.
func (i *importer) keys(name string, text []byte) []byte {
	good, agents, left := parseKeys(name, text)
	i.Agents = agents
	i.Left = append(i.Left, left...)
	return good
}

// put writes a file to the destination, whole or not at all, readable for its owner only.
func (i *importer) put(name string, text []byte) (State, error) {
	state := New
	if old, err := i.existing(name); err == nil {
		switch {
		case bytes.Equal(old, text):
			state = Same
		case !i.force:
			state, text = Kept, old
		default:
			state = Replaced
		}
	}
	if there, err := i.dst.Lstat(name); err == nil && there.Mode().IsRegular() && (state == Kept || state == Same) {
		return state, i.dst.Chmod(name, there.Mode().Perm()&0o700)
	}
	if err := i.dst.MkdirAll(path.Dir(name), 0o700); err != nil {
		return "", err
	}
	temp := path.Join(path.Dir(name), ".yagura-import")
	if err := i.dst.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := writeNew(i.dst, temp, text); err != nil {
		return "", err
	}
	return state, i.dst.Rename(temp, name)
}

// existing returns the destination's file of that name.
func (i *importer) existing(name string) ([]byte, error) {
	if i.old == nil {
		return nil, fs.ErrNotExist
	}
	return i.old.ReadFile(name)
}

// closed closes what was read from, or whose files are closed: its error is of no interest.
func closed(c io.Closer) { _ = c.Close() }

func writeNew(root *os.Root, name string, text []byte) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

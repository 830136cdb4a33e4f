// Package central keeps an agent's configuration as its operator wrote it in SSM's Parameter Store:
//
//	/yagura/agents / web / 10-logs       <agent_config>…          for profile web; by name, those below folders too
//	/yagura/agents / web / 20-integrity  <agent_config os=…>…
//	/yagura/agents / db  / …                                      for profile db
//
//	every 5 minutes ─► the same as before? nothing
//	                 ─► new ─► Apply ─┬─ good: stored in File, in force from now on
//	                                  └─ bad: told once; the last good one stays, across restarts and while SSM is out of reach
package central

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/yagura-hids/yagura/agent/config"
)

// Options are what central configuration is made of.
type Options struct {
	Client   Client
	Path     string                                               // below which the profiles are
	Profiles []string                                             // of this host, in order; none for "default"
	File     string                                               // where the last good one is kept
	Apply    func(ctx context.Context, texts []config.Text) error // puts it into force, or says what is wrong with it
	Report   func(msg string)                                     // tells of trouble, and of its end; nil for nothing
	Every    time.Duration                                        // between looks; 0 for 5 minutes
	After    func(d time.Duration) <-chan time.Time               // nil for time.After
	Random   func() float64                                       // from 0 to below 1; nil for math/rand's
}

// Central is the central configuration of one agent.
type Central struct {
	opts    Options
	refused []config.Text // the last that was bad
	trouble string        // why the last look failed; "" if it did not

	mu   sync.Mutex
	last []config.Text // in force
}

// New returns the central configuration as it was last good, if it ever was: Texts returns it at once. The error tells why the file could not be
// read; what is returned with it works, and begins with none.
func New(o Options) (*Central, error) {
	if o.Every == 0 {
		o.Every = 5 * time.Minute
	}
	if o.After == nil {
		o.After = time.After
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Report == nil {
		o.Report = func(string) {}
	}
	o.Profiles = Profiles(o.Profiles)
	c := &Central{opts: o}
	var err error
	c.last, err = load(o.File)
	return c, err
}

// Texts returns the central configuration that is in force.
func (c *Central) Texts() []config.Text {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.last)
}

// Run looks again and again until ctx ends.
func (c *Central) Run(ctx context.Context) {
	for {
		c.Look(ctx)
		spread := 0.75 + c.opts.Random()/2 // hosts that started together don't ask together for ever
		select {
		case <-ctx.Done():
			return
		case <-c.opts.After(time.Duration(float64(c.opts.Every) * spread)):
		}
	}
}

// Look asks SSM once, and puts into force what is new. It belongs to one goroutine, as Run.
func (c *Central) Look(ctx context.Context) {
	texts, err := Fetch(ctx, c.opts.Client, c.opts.Path, c.opts.Profiles)
	if ctx.Err() != nil {
		return
	}
	c.tell(err)
	switch {
	case err != nil:
		return
	case same(texts, c.Texts()):
		c.refused = nil
		return
	case c.refused != nil && same(texts, c.refused):
		return
	}
	if err := c.opts.Apply(ctx, texts); err != nil {
		if ctx.Err() == nil {
			c.refused = texts
			c.opts.Report(fmt.Sprintf("central configuration refused, the one before stays in force:\n%v", err))
		}
		return
	}
	c.refused = nil
	c.mu.Lock()
	c.last = texts
	c.mu.Unlock()
	if err := store(c.opts.File, texts); err != nil {
		c.opts.Report(fmt.Sprintf("the central configuration is in force, but not kept for the next start: %v", err))
	}
}

// tell reports that looks fail, and that they don't any more: each once.
func (c *Central) tell(err error) {
	switch {
	case err == nil && c.trouble != "":
		c.trouble = ""
		c.opts.Report("central configuration can be read again")
	case err != nil && c.trouble == "":
		c.trouble = err.Error()
		c.opts.Report(fmt.Sprintf("%v; trying again every %v, and what is in force stays", err, c.opts.Every))
	}
}

func same(a, b []config.Text) bool {
	return slices.EqualFunc(a, b, func(x, y config.Text) bool { return x.Name == y.Name && string(x.Source) == string(y.Source) })
}

// stored is a text in the file.
type stored struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

func load(file string) ([]config.Text, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list []stored
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("central configuration kept in %s: %w", file, err)
	}
	var texts []config.Text
	for _, s := range list {
		texts = append(texts, config.Text{Name: s.Name, Source: []byte(s.Text), Central: true})
	}
	return texts, nil
}

// store writes the file whole or not at all.
func store(file string, texts []config.Text) error {
	list := []stored{}
	for _, t := range texts {
		list = append(list, stored{t.Name, string(t.Source)})
	}
	b, err := json.Marshal(list)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

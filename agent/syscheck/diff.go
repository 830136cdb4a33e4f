package syscheck

import (
	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/syscheck"
)

// diff adds to a change what changed in a text file, if d asks for it, and returns what is to be done in the transaction in which the change is
// kept, nil for nothing. c.Path is escaped, path isn't. It is called once for each change, with the cache locked.
func (s *Syscheck) diff(d *Directory, path string, c *syscheck.Change) func(tx *bolt.Tx) error {
	_, _, _ = d, path, c
	return nil
}

package spool

import (
	"syscall"

	bolt "go.etcd.io/bbolt"
)

// Release gives memory back to the system that holds parts of the file since they were read. Who has read all of a large bucket calls it; what
// is read later is fetched again.
func (s *Spool) Release() {
	_ = s.db.View(func(tx *bolt.Tx) error { // in which the file's place in memory can't change
		if size := uintptr(tx.Size()); size > 0 {
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, s.db.Info().Data, size, syscall.MADV_DONTNEED) // an advice, no more
		}
		return nil
	})
}

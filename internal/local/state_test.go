package local

import (
	"testing"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/analysis/statetest"
)

// restarted is a memory that is stored, forgotten and brought back from the file again and again.
type restarted struct {
	*analysis.Memory
	store *Store
	puts  int
}

func (r *restarted) Put(key string, i *analysis.Item) error {
	if err := r.Memory.Put(key, i); err != nil {
		return err
	}
	if r.puts++; r.puts%50 > 1 { // two in a row, to store one change alone, too
		return nil
	}
	if _, err := r.store.commit(&commit{memory: "test", changes: r.Changes()}); err != nil {
		return err
	}
	r.Memory = analysis.NewMemory(0)
	_, err := r.store.restore("test", r.Memory)
	return err
}

func TestState(t *testing.T) {
	statetest.Run(t, func() analysis.State {
		s, err := Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return &restarted{Memory: analysis.NewMemory(0), store: s}
	})
}

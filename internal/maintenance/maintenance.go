// Package maintenance keeps the windows in which changes of files are expected.
package maintenance

import (
	"context"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/table"
)

// Windows are those that the table of the fleet holds, at one moment.
type Windows struct{}

// Load reads the windows.
func Load(ctx context.Context, t table.Table) (*Windows, error) { return &Windows{}, nil }

// Open returns the id of the window that is open for a host at a time, "" if none is. scanned is when the host's last scan before that ended, zero if none
// is known: a window may last until a scan has seen what was done in it.
func (w *Windows) Open(id string, a *event.Agent, at, scanned time.Time) string { return "" }

package local

import (
	"net/http"

	"github.com/yagura-hids/yagura/internal/table"
)

// ServeTables is what answers calls of tables on the socket.
func ServeTables(t table.Table, schemas ...*table.Schema) http.Handler {
	return serveTables(t, schemas...)
}

// Remote is the tables that are served in a directory.
func Remote(dir string) table.Table { return remote{dir} }

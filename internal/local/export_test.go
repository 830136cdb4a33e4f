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

// SampleCalls are calls of each sort, as they are sent.
func SampleCalls(s *table.Schema) (list [][]byte) {
	item := table.Fields{s.Partition: "a", s.Sort: "b", "n": int64(-7), "b": []byte{}, "t": true}
	for _, c := range []call{
		{Table: s, Keys: []table.Key{{Partition: "a", Sort: "b"}}},
		{Query: &table.Query{Table: s, Partition: "a", From: "a", To: "c", Descending: true, Limit: 3}},
		{Commit: []table.Op{{Table: s, Item: item, If: table.Condition{Field: "n", Equal: 3, Missing: true}}}},
	} {
		text, _ := callWriter.Marshal(c)
		list = append(list, text)
	}
	return list
}

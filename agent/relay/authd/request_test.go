package authd_test

import (
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/yagura-hids/yagura/agent/relay/authd"
)

var requests = []struct {
	name, sent string
	want       authd.Asked
}{
	{"OSSEC without a password", "OSSEC A:'web1'\n", authd.Asked{Name: "web1"}},
	{"OSSEC", "OSSEC PASS: secret OSSEC A:'web1'\n", authd.Asked{Password: "secret", Name: "web1"}},
	{"a password file's line end, which agent-auth sends", "OSSEC PASS: secret\n OSSEC A:'web1'\n", authd.Asked{Password: "secret", Name: "web1"}},
	{"a password with blanks", "OSSEC PASS: open sesame OSSEC A:'web1'\n", authd.Asked{Password: "open sesame", Name: "web1"}},
	{"no password where one belongs", "OSSEC PASS:  OSSEC A:'web1'\n", authd.Asked{Name: "web1"}},
	{"no line end", "OSSEC A:'web1'", authd.Asked{Name: "web1"}},
	{"Wazuh", "OSSEC PASS: s OSSEC A:'web1' V:'v4.9.2' G:'web,test' IP:'src' K:'0a1b'\n",
		authd.Asked{Password: "s", Name: "web1", Groups: []string{"web", "test"}, Address: "src"}},
	{"fields broken off", "OSSEC A:'web1' G:'web' IP:'192.0.2.7\n", authd.Asked{Name: "web1", Groups: []string{"web"}}},
	{"what is no field", "OSSEC A:'web1' hello\n", authd.Asked{Name: "web1"}},
	{"a bad name", "OSSEC A:'w b'\n", authd.Asked{Name: "w b"}},
	{"no name", "OSSEC A:''\n", authd.Asked{}},
}

func TestRequest(t *testing.T) {
	for _, tt := range requests {
		got, err := authd.Read(strings.NewReader(tt.sent))
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, %v, want %+v", tt.name, got, err, tt.want)
		}
	}
	for _, sent := range []string{
		"", "\n", "GET / HTTP/1.1\n", "OSSEC A:'web1\n", "OSSEC PASS: s\n", "OSSEC PASS: OSSEC A:'web1'\n", "ossec a:'web1'\n", strings.Repeat("x", authd.MaxRequest),
		"OSSEC A:'" + strings.Repeat("x", authd.MaxRequest) + "'\n",
	} {
		if got, err := authd.Read(strings.NewReader(sent)); err == nil {
			t.Errorf("%.40q: %+v, want an error", sent, got)
		}
	}
}

// FuzzAuthd: a request reads the same however its bytes were dealt into reads, as long as the line is its own; no field holds a quote.
func FuzzAuthd(f *testing.F) {
	for _, tt := range requests {
		f.Add(tt.sent)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		got, err := authd.Read(strings.NewReader(sent))
		if strings.Contains(got.Name+got.Address+strings.Join(got.Groups, ""), "'") {
			t.Errorf("%+v", got)
		}
		if i := strings.IndexByte(sent, '\n'); i >= 0 && i < len(sent)-1 {
			return // more than a line: a read may bring less of it
		}
		slow, slowErr := authd.Read(iotest.OneByteReader(strings.NewReader(sent)))
		if (err == nil) != (slowErr == nil) || err == nil && !reflect.DeepEqual(got, slow) {
			t.Errorf("%q: whole %+v, %v; in bytes %+v, %v", sent, got, err, slow, slowErr)
		}
	})
}

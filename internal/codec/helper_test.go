package codec_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/yagura-hids/yagura/internal/event"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// sample is a batch with something in each of its fields.
func sample() *event.Batch {
	b := &event.Batch{
		AgentID: "web1", Epoch: 0xfeed_0000_0000_beef,
		Agent: event.Agent{
			Name: "web1.example.com", Addresses: []string{"192.0.2.7", "2001:db8::7"}, OS: "linux/arm64 Debian GNU/Linux 12",
			Instance: "i-0123456789abcdef0", Image: "ami-0fedcba9876543210", Account: "123456789012", Profile: "web", Labels: map[string]string{"env": "prod", "größe": "櫓"},
		},
		Version: "1.2.3", Config: "abc123", Dropped: 7, Sent: noon.Add(time.Second),
	}
	add := func(seq uint64, at time.Time, location, text string) *event.Event {
		ev := &event.Event{ID: event.ID{Agent: b.AgentID, Epoch: b.Epoch, Seq: seq}, Time: at, Location: location, Text: text}
		b.Events = append(b.Events, ev)
		return ev
	}
	add(41, noon, "/var/log/auth.log", "Nov 24 12:00:00 web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2")
	add(42, noon.Add(1500*time.Millisecond), "/var/log/auth.log", "")
	add(43, noon.Add(-time.Hour).In(time.FixedZone("", 5*3600+1800)), "netstat -tln", "two\nlines").Kind = event.Command
	last := add(1<<64-1, noon.Add(7), "/var/log/auth.log", "größe 櫓")
	last.Cut, last.Priority = true, 34+1
	return b
}

// same compares batches and events: times by the moment and by how far their zone is from UTC.
var same = cmp.Comparer(func(a, b time.Time) bool {
	_, zoneA := a.Zone()
	_, zoneB := b.Zone()
	return a.Equal(b) && zoneA == zoneB
})

func mustEqual(t *testing.T, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Fatalf("-want +got:\n%s", diff)
	}
}

// fields are a batch as docs/protocol.md describes it, by keys: one event that says "x".
func fields(more map[int]any) map[int]any {
	f := map[int]any{1: "web1", 2: uint64(9), 8: 1, 9: 1, 12: int64(time.Second), 13: varints(1_800_000_000), 18: []string{"/log"}, 19: "x"}
	maps.Copy(f, more)
	for k, v := range f {
		if v == nil {
			delete(f, k)
		}
	}
	return f
}

// forge writes a batch by other means than Encode.
func forge(t testing.TB, f any) []byte {
	t.Helper()
	raw, err := cbor.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return wrap(t, raw)
}

// wrap packs what should be CBOR, without a dictionary, as a writer may.
func wrap(t testing.TB, raw []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(raw, []byte("YGR\x02"))
}

// varints is a column of the protocol.
func varints(numbers ...int64) []byte {
	var out []byte
	for _, n := range numbers {
		u := uint64(n)<<1 ^ uint64(n>>63)
		for ; u > 127; u >>= 7 {
			out = append(out, byte(u)|0x80)
		}
		out = append(out, byte(u))
	}
	return out
}

func gzipped(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// logLines are n events as an agent reads them on a busy host: sshd, nginx, cron, the kernel's firewall.
func logLines(n int) *event.Batch {
	b := &event.Batch{AgentID: "web1", Epoch: 7, Agent: event.Agent{OS: "linux/arm64 Debian GNU/Linux 12", Instance: "i-0123456789abcdef0"}, Version: "1.0.0"}
	x := uint32(1)
	random := func(below int) int { // the same numbers in each run
		x = x*1664525 + 1013904223
		return int(x>>8) % below
	}
	users := []string{"root", "admin", "test", "oracle", "postgres", "ubuntu", "git", "www-data"}
	paths := []string{"/", "/index.html", "/wp-login.php", "/api/v1/items?id=%d", "/static/app.js", "/robots.txt"}
	at := noon
	for i := range n {
		at = at.Add(time.Duration(random(900)) * time.Millisecond)
		stamp, ip := at.Format(time.Stamp), fmt.Sprintf("%d.%d.%d.%d", 100+random(90), random(256), random(256), random(256))
		ev := &event.Event{ID: event.ID{Agent: b.AgentID, Epoch: b.Epoch, Seq: uint64(i + 1)}, Time: at, Location: "/var/log/auth.log"}
		switch random(8) {
		case 0, 1, 2:
			ev.Text = fmt.Sprintf("%s web1 sshd[%d]: Failed password for %s from %s port %d ssh2", stamp, 1000+random(30000), users[random(len(users))], ip, 1024+random(60000))
		case 3:
			ev.Text = fmt.Sprintf("%s web1 CRON[%d]: pam_unix(cron:session): session opened for user %s by (uid=0)", stamp, 1000+random(30000), users[random(len(users))])
		case 4, 5, 6:
			ev.Location = "/var/log/nginx/access.log"
			ev.Text = fmt.Sprintf(`%s - - [%s] "GET %s HTTP/1.1" %d %d "-" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"`,
				ip, at.Format("02/Jan/2006:15:04:05 -0700"), paths[random(len(paths))], []int{200, 200, 304, 404}[random(4)], random(90000))
		default:
			ev.Location = "/var/log/syslog"
			ev.Text = fmt.Sprintf("%s web1 kernel: [%d.%06d] [UFW BLOCK] IN=eth0 OUT= MAC=02:42:ac:11:00:02:02:42:2c:6b:8a:5d:08:00 SRC=%s DST=192.0.2.7 LEN=40 TTL=%d ID=%d PROTO=TCP SPT=%d DPT=%d WINDOW=1024 SYN URGP=0",
				stamp, i, random(1000000), ip, 40+random(20), random(65536), 1024+random(60000), 1+random(9000))
		}
		b.Events = append(b.Events, ev)
	}
	return b
}

func diffOf(got, want any) string { return cmp.Diff(want, got, same) }

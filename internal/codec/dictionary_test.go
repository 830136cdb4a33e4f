package codec_test

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/event"
)

var update = flag.Bool("update", false, "make dictionary.v2 anew: for a version of the format that nobody uses yet")

// dictionarySum is what docs/protocol.md says of the dictionary, which is a part of the format for ever.
const dictionarySum = "409f3d08d0ee68d6496364497481ff670e08a4b740ab9c2555b5584293de7dd4"

func TestDictionary(t *testing.T) {
	if *update {
		if err := os.WriteFile("dictionary.v2", makeDictionary(t), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dictionary, err := os.ReadFile("dictionary.v2")
	if err != nil {
		t.Fatal(err)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(dictionary)); sum != dictionarySum || len(dictionary) > 64<<10 {
		t.Errorf("the dictionary has %d bytes and the hash %s; what is written with one must be read with the same", len(dictionary), sum)
	}
	known, err := zstd.InspectDictionary(dictionary)
	if err != nil {
		t.Fatal(err)
	}
	if known.ID() != dictionaryID || !bytes.HasPrefix(known.Content(), readFile(t, "testdata/v2.txt")) {
		t.Errorf("dictionary %#x doesn't hold testdata/v2.txt", known.ID())
	}
}

const dictionaryID = 0x02524759 // "YGR" 2

// makeDictionary makes the dictionary of testdata/v2.txt: lines as common programs write them, those of the most common ones last, where they are
// the cheapest to refer to. Behind them stands what a batch begins with. The tables for what is no match are those of batches of the same
// lines with other numbers in them.
func makeDictionary(t *testing.T) []byte {
	t.Helper()
	history := readFile(t, "testdata/v2.txt")
	lines := strings.Split(strings.TrimSuffix(string(history), "\n"), "\n")
	random := rand.New(rand.NewPCG(2, 2))
	var samples [][]byte
	for i := range 400 {
		samples = append(samples, raw(t, varied(random, lines, 10<<(i%5))))
	}
	for _, os := range []string{"windows/amd64 Windows Server 2022", "linux/amd64 Amazon Linux 2023", "linux/amd64 Ubuntu 24.04", "linux/arm64 Debian GNU/Linux 12"} {
		history = append(history, raw(t, &event.Batch{
			AgentID: "i-0123456789abcdef0", Version: "1.0.0", Config: "0123456789abcdef", Sent: noon,
			Agent: event.Agent{
				Name: "ip-10-0-0-1", Addresses: []string{"10.0.0.1"}, OS: os, Instance: "i-0123456789abcdef0", Account: "123456789012", Profile: "default",
				Labels: map[string]string{"Name": "web1"},
			},
			Events: headEvents(),
		})...)
	}
	dictionary, err := zstd.BuildDict(zstd.BuildDictOptions{
		ID: dictionaryID, Contents: samples, History: history, Offsets: [3]int{1, 4, 8}, Level: zstd.SpeedDefault, CompatV155: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return dictionary
}

// headEvents are events from where most come.
func headEvents() (list []*event.Event) {
	for i, l := range []string{
		"yagura-agent", "syscheck", "journald", "Security", "System", "Application", "/var/log/audit/audit.log", "/var/log/dpkg.log", "/var/log/kern.log",
		"/var/log/mail.log", "/var/log/httpd/access_log", "/var/log/apache2/error.log", "/var/log/apache2/access.log", "/var/log/nginx/error.log",
		"/var/log/nginx/access.log", "/var/log/messages", "/var/log/secure", "/var/log/syslog", "/var/log/auth.log",
	} {
		list = append(list, &event.Event{ID: event.ID{Seq: uint64(i)}, Time: noon, Location: l})
	}
	return list
}

// varied is a batch of n of the lines, with other digits, and mostly several like them in a row.
func varied(random *rand.Rand, lines []string, n int) *event.Batch {
	b := &event.Batch{AgentID: "i-0fedcba9876543210", Epoch: random.Uint64()}
	at, line := noon, 0
	for i := range n {
		if random.IntN(3) == 0 {
			line = len(lines) - 1 - int(float64(len(lines))*random.Float64()*random.Float64())
			at = at.Add(time.Duration(random.IntN(3000)) * time.Millisecond)
		}
		b.Events = append(b.Events, &event.Event{
			ID: event.ID{Agent: b.AgentID, Epoch: b.Epoch, Seq: uint64(i + 1)}, Time: at, Location: "/var/log/syslog", Text: otherDigits(random, lines[line]),
		})
	}
	return b
}

func otherDigits(random *rand.Rand, s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' && random.IntN(2) == 0 {
			return rune('0' + random.IntN(10))
		}
		return r
	}, s)
}

func raw(t testing.TB, b *event.Batch) []byte {
	t.Helper()
	data, err := codec.Raw(b)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

package functions_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/yagura-hids/yagura/internal/emulated/lambda"
	"github.com/yagura-hids/yagura/internal/event"
)

// What a stranger with an agent's role may put on the stream costs bounded memory and its own record, and nobody else's.
func TestHostileRecords(t *testing.T) {
	var most int64
	p := up(t, pathOptions{done: func(r lambda.Result) { most = max(most, r.Memory) }})
	s := newSender(t, p)
	var packed bytes.Buffer
	enc, err := zstd.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(enc, zeros{}, 1<<30); err != nil {
		t.Fatal(err)
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	good := &event.Event{
		ID: event.ID{Agent: "web1", Epoch: 1, Seq: 1}, Time: time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC), Location: "/var/log/auth.log",
		Text: "Nov 20 03:00:00 web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2",
	}
	whole := encode(t, "web1", []*event.Event{good})
	want := map[string]string{}
	for key, data := range map[string][]byte{
		"bomb":    append([]byte("YGR\x01"), packed.Bytes()...),
		"version": append([]byte("YGR\xff"), whole[4:]...),
		"short":   whole[:len(whole)/2],
		"noise":   bytes.Repeat([]byte{0xde, 0xad}, 400_000),
		"gzip":    {0x1f, 0x8b, 8, 0, 0},
		"json":    []byte(`{"text": [1, 2`),
		"deep":    bytes.Repeat([]byte(`{"a":`), 100_000),
	} {
		want[key] = base64.StdEncoding.EncodeToString(data)
		if err := s.put(t.Context(), key, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.put(t.Context(), "web1", whole); err != nil {
		t.Fatal(err)
	}
	p.drain(t)
	p.poisoned(t, want)
	if got := byRule(t, stored(t, p.table())); len(got) != 1 || got[5716] != 1 {
		t.Errorf("alerts %v", got)
	}
	if c := p.records.Counts(); c.GivenUp > 0 || c.Failed > 0 || c.Partial > 0 {
		t.Errorf("%+v: records that can't be read hold nobody up", c)
	}
	if limit := int64(256 << 20); most == 0 || most > limit {
		t.Errorf("analyze took %d MiB, want at most %d", most>>20, limit>>20)
	}
	t.Logf("analyze took %d MiB at most", most>>20)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

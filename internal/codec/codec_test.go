package codec_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/event"
)

func encode(t testing.TB, b *event.Batch) []byte {
	t.Helper()
	data, err := codec.Encode(b)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestEncodeDecode(t *testing.T) {
	for name, b := range map[string]*event.Batch{"all fields": sample(), "log lines": logLines(5000), "one": logLines(1)} {
		t.Run(name, func(t *testing.T) {
			data := encode(t, b)
			got, err := codec.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			mustEqual(t, got, b)
			if again := encode(t, got); !bytes.Equal(again, data) {
				t.Error("encoded again it is other bytes")
			}
		})
	}
}

// What is made in half the time says the same, and is hardly larger.
func TestEncodeFast(t *testing.T) {
	for name, b := range map[string]*event.Batch{"all fields": sample(), "log lines": logLines(5000)} {
		t.Run(name, func(t *testing.T) {
			data, err := codec.EncodeFast(b)
			if err != nil {
				t.Fatal(err)
			}
			got, err := codec.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			mustEqual(t, got, b)
			if most := len(encode(t, b)) * 11 / 10; len(data) > most {
				t.Errorf("%d bytes, want at most %d", len(data), most)
			}
		})
	}
	b := sample()
	b.AgentID = ""
	if _, err := codec.EncodeFast(b); !errors.Is(err, codec.ErrInvalid) {
		t.Errorf("%v", err)
	}
}

// Small batches are small, too.
func TestDictionaryHelps(t *testing.T) {
	b := logLines(10)
	alone := wrap(t, raw(t, b))
	if n := len(encode(t, b)); n > len(alone)*3/4 {
		t.Errorf("10 events take %d bytes, %d without the dictionary", n, len(alone))
	}
	if n := len(encode(t, sample())); n > 300 {
		t.Errorf("4 events and all that there is to tell of an agent take %d bytes", n)
	}
}

// What another program writes by the words of docs/protocol.md is understood; what this one wrote once, too.
func TestOtherWriters(t *testing.T) {
	want := sample()
	utc, india := int64(0), int64(5*3600+1800)
	ns := func(i int) int64 { return want.Events[i].Time.UnixNano() }
	data := forge(t, map[int]any{
		1: "web1", 2: want.Epoch, 4: "1.2.3", 5: "abc123", 6: 7, 7: want.Sent.UnixNano(),
		3: map[int]any{
			1: want.Agent.Name, 2: want.Agent.Addresses, 3: want.Agent.OS, 4: want.Agent.Instance, 5: want.Agent.Account, 6: "web",
			7: want.Agent.Labels, 8: want.Agent.Image, 99: "what a later program tells of an agent",
		},
		8: 4, 9: 41, 10: 0, 11: varints(0, 0, -1-43-1), 12: 1,
		13: varints(ns(0), ns(1)-ns(0), ns(2)-ns(1), ns(3)-ns(2)), 14: varints(utc, 0, india, -india),
		15: varints(0, 0, 1, -1), 16: varints(0, 0, 2*int64(event.Command), 1), 17: varints(85, 0, 11, 9),
		18: []string{"/var/log/auth.log", "netstat -tln"},
		19: want.Events[0].Text + "größe 櫓two\nlines", 20: varints(0, 0, 0, 35),
		99: "a field of a later program",
	})
	got, err := codec.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, got, want)
	for _, old := range []string{"testdata/v2.batch", "testdata/v1.batch"} {
		if got, err = codec.Decode(readFile(t, old)); err != nil {
			t.Fatal(err)
		}
		mustEqual(t, got, want)
		want.Events[3].Priority, want.Agent.Image = 0, ""
	}
}

// A batch without priorities, of an agent without an image, has the bytes that it had before there were any.
func TestNoPriorities(t *testing.T) {
	b := sample()
	b.Events[3].Priority, b.Agent.Image = 0, ""
	var m map[int]cbor.RawMessage
	if err := cbor.Unmarshal(raw(t, b), &m); err != nil {
		t.Fatal(err)
	}
	if _, there := m[20]; there || m[19] == nil {
		t.Errorf("keys %v, want 19 and no 20", slices.Collect(maps.Keys(m)))
	}
	var agent map[int]any
	if err := cbor.Unmarshal(m[3], &agent); err != nil {
		t.Fatal(err)
	}
	if _, there := agent[8]; there || len(agent) != 7 {
		t.Errorf("of the agent: keys %v, want 1 to 7", slices.Collect(maps.Keys(agent)))
	}
}

// A batch of anything that is allowed comes back as it was.
func TestEncodeDecodeAnything(t *testing.T) {
	texts := rapid.StringOf(rapid.RuneFrom([]rune("ab \n\r\t\x00é櫓")))
	name := rapid.StringMatching(`[a-zA-Z0-9 ./櫓é-]{1,20}`)
	rapid.Check(t, func(t *rapid.T) {
		b := &event.Batch{
			AgentID: name.Draw(t, "agent"), Epoch: rapid.Uint64().Draw(t, "epoch"), Dropped: rapid.Uint64().Draw(t, "dropped"),
			Version: name.Draw(t, "version"),
		}
		if rapid.Bool().Draw(t, "labels") {
			b.Agent.Labels = rapid.MapOfN(name, name, 1, 5).Draw(t, "labels")
		}
		seq := rapid.Uint64().Draw(t, "first")
		for range rapid.IntRange(1, 50).Draw(t, "events") {
			unit := rapid.SampledFrom([]int64{1, 1e3, 1e6, 1e9}).Draw(t, "unit")
			at := time.Unix(0, rapid.Int64Range(0, 7_258_118_399e9/unit).Draw(t, "time")*unit).In(time.FixedZone("", rapid.IntRange(-86399, 86399).Draw(t, "zone")))
			b.Events = append(b.Events, &event.Event{
				ID: event.ID{Agent: b.AgentID, Epoch: b.Epoch, Seq: seq}, Time: at, Kind: event.Kind(rapid.IntRange(0, int(event.AgentState)).Draw(t, "kind")),
				Location: texts.Draw(t, "location"), Text: texts.Draw(t, "text"), Cut: rapid.Bool().Draw(t, "cut"),
				Priority: rapid.IntRange(0, event.MaxPriority).Draw(t, "priority"),
			})
			room := math.MaxUint64 - seq
			if room == 0 {
				break
			}
			seq += 1 + rapid.Uint64Max(min(room-1, 1<<rapid.IntRange(0, 63).Draw(t, "bits"))).Draw(t, "step")
		}
		data, err := codec.Encode(b)
		if err != nil {
			t.Fatal(err)
		}
		got, err := codec.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := diffOf(got, b); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
	})
}

func TestEncodeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*event.Batch)
		want   error
		text   string
	}{
		"no agent":         {func(b *event.Batch) { b.AgentID = "" }, codec.ErrInvalid, "agent id"},
		"long agent":       {func(b *event.Batch) { b.AgentID = strings.Repeat("x", 257) }, codec.ErrInvalid, "257 bytes, 256 are allowed"},
		"agent's newline":  {func(b *event.Batch) { b.AgentID = "web\n1" }, codec.ErrInvalid, "control character"},
		"agent no UTF-8":   {func(b *event.Batch) { b.AgentID = "web\xff" }, codec.ErrInvalid, "no UTF-8"},
		"label's newline":  {func(b *event.Batch) { b.Agent.Labels["a\nb"] = "c" }, codec.ErrInvalid, "control character"},
		"long detail":      {func(b *event.Batch) { b.Agent.OS = strings.Repeat("x", 257) }, codec.ErrInvalid, "what the agent tells"},
		"many addresses":   {func(b *event.Batch) { b.Agent.Addresses = make([]string, 65) }, codec.ErrTooLarge, "65 addresses"},
		"no events":        {func(b *event.Batch) { b.Events = nil }, codec.ErrInvalid, "no events"},
		"many events":      {func(b *event.Batch) { b.Events = make([]*event.Event, 100_001) }, codec.ErrTooLarge, "100001 events"},
		"other agent":      {func(b *event.Batch) { b.Events[1].ID.Agent = "web2" }, codec.ErrInvalid, "event 1: "},
		"other epoch":      {func(b *event.Batch) { b.Events[1].ID.Epoch++ }, codec.ErrInvalid, "event 1: "},
		"seq stands still": {func(b *event.Batch) { b.Events[2].ID.Seq = 42 }, codec.ErrInvalid, "event 2: invalid: number 42 after 42"},
		"before 1970":      {func(b *event.Batch) { b.Events[0].Time = time.Unix(-1, 0) }, codec.ErrInvalid, "event 0: invalid: time 1969"},
		"no time":          {func(b *event.Batch) { b.Events[0].Time = time.Time{} }, codec.ErrInvalid, "event 0: invalid: time 0001"},
		"sent in 2200":     {func(b *event.Batch) { b.Sent = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) }, codec.ErrInvalid, "sent"},
		"zone": {func(b *event.Batch) { b.Events[0].Time = noon.In(time.FixedZone("", 86400)) },
			codec.ErrInvalid, "zone 86400 s from UTC"},
		"kind":             {func(b *event.Batch) { b.Events[0].Kind = event.AgentState + 1 }, codec.ErrInvalid, "kind 5"},
		"priority":         {func(b *event.Batch) { b.Events[0].Priority = 193 }, codec.ErrInvalid, "event 0: invalid: priority 193: want 0 to 192"},
		"priority below 0": {func(b *event.Batch) { b.Events[0].Priority = -1 }, codec.ErrInvalid, "priority -1"},
		"long text":        {func(b *event.Batch) { b.Events[0].Text = strings.Repeat("x", event.MaxText+1) }, codec.ErrTooLarge, "text of 65537 bytes"},
		"text no UTF-8":    {func(b *event.Batch) { b.Events[0].Text = "\xff" }, codec.ErrInvalid, "no UTF-8"},
		"long location":    {func(b *event.Batch) { b.Events[0].Location = strings.Repeat("x", 8193) }, codec.ErrTooLarge, "location of 8193"},
		"more than 16 MiB": {func(b *event.Batch) { b.Events = long(b, 257, "x") }, codec.ErrTooLarge, "before compression"},
		"more than 1 MiB":  {func(b *event.Batch) { b.Events = long(b, 34, "") }, codec.ErrTooLarge, "1048320 are allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			b := sample()
			c.change(b)
			if _, err := codec.Encode(b); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, want %v and %q", err, c.want, c.text)
			}
		})
	}
}

// long are n events of MaxText bytes: all alike, or of noise.
func long(b *event.Batch, n int, fill string) (list []*event.Event) {
	x := uint64(1)
	for i := range n {
		text := strings.Repeat(fill, event.MaxText)
		if fill == "" {
			var noise []byte
			for len(noise) < event.MaxText/2 {
				x ^= x << 13
				x ^= x >> 7
				x ^= x << 17
				noise = binary.LittleEndian.AppendUint64(noise, x)
			}
			text = hex.EncodeToString(noise)
		}
		list = append(list, &event.Event{ID: event.ID{Agent: b.AgentID, Epoch: b.Epoch, Seq: uint64(i)}, Time: noon, Text: text})
	}
	return list
}

func TestDecodeRefuses(t *testing.T) {
	whole := encode(t, sample())
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	const many = 1 << 40
	for name, c := range map[string]struct {
		data []byte
		want error
		text string
	}{
		"nothing":             {nil, codec.ErrUnknown, "YGR"},
		"something else":      {[]byte("hello"), codec.ErrUnknown, "YGR"},
		"marker alone":        {[]byte("YGR"), codec.ErrDamaged, "ends"},
		"version 0":           {[]byte("YGR\x00"), codec.ErrVersion, "version 0, this program knows 1 to 2"},
		"version 3":           {[]byte("YGR\x03"), codec.ErrVersion, "version 3, this program knows 1 to 2"},
		"no zstd":             {[]byte("YGR\x01hello"), codec.ErrDamaged, "unpack"},
		"one bit":             {flipped, codec.ErrDamaged, "unpack"},
		"half":                {whole[:len(whole)/2], codec.ErrDamaged, "unpack"},
		"too long":            {append([]byte("YGR\x01"), make([]byte, codec.MaxEncoded)...), codec.ErrTooLarge, "1048320 are allowed"},
		"no CBOR":             {wrap(t, []byte("hello")), codec.ErrDamaged, "its CBOR"},
		"a list":              {forge(t, []int{1}), codec.ErrDamaged, "its CBOR"},
		"bytes behind":        {wrap(t, append(mustCBOR(t, fields(nil)), 0)), codec.ErrDamaged, "extraneous"},
		"a key twice":         {wrap(t, []byte("\xa2\x01\x60\x01\x60")), codec.ErrDamaged, "duplicate"},
		"deep":                {wrap(t, bytes.Repeat([]byte{0x81}, 100_000)), codec.ErrDamaged, "nested"},
		"a forged list":       {wrap(t, []byte("\xa1\x12\x9b\x00\x00\x00\xff\xff\xff\xff\xff")), codec.ErrDamaged, ""},
		"a forged text":       {wrap(t, []byte("\xa1\x13\x7b\x00\x00\x00\xff\xff\xff\xff\xff")), codec.ErrDamaged, ""},
		"text no UTF-8":       {wrap(t, []byte("\xa1\x13\x61\xff")), codec.ErrDamaged, "UTF-8"},
		"count 0":             {forge(t, fields(map[int]any{8: 0})), codec.ErrInvalid, "no events"},
		"count too high":      {forge(t, fields(map[int]any{8: many})), codec.ErrTooLarge, "100000 are allowed"},
		"count too low":       {forge(t, fields(map[int]any{8: 2, 19: "a\nb\nc"})), codec.ErrDamaged, "texts: 3, but 2 events"},
		"count forged":        {forge(t, fields(map[int]any{8: 100_000})), codec.ErrDamaged, "texts: 1, but 100000 events"},
		"lengths too few":     {forge(t, fields(map[int]any{8: 3, 17: varints(1)})), codec.ErrDamaged, "lengths: 1 numbers where 3"},
		"lengths too many":    {forge(t, fields(map[int]any{17: varints(1, 1)})), codec.ErrDamaged, "lengths: 1 bytes behind"},
		"length beyond":       {forge(t, fields(map[int]any{17: varints(many)})), codec.ErrDamaged, "text 0 is said to be"},
		"length negative":     {forge(t, fields(map[int]any{17: varints(-1)})), codec.ErrDamaged, "text 0 is said to be -1"},
		"length in a letter":  {forge(t, fields(map[int]any{8: 2, 17: varints(1, 1), 19: "é"})), codec.ErrDamaged, "text 0"},
		"text left":           {forge(t, fields(map[int]any{17: varints(0)})), codec.ErrDamaged, "1 bytes behind the last text"},
		"varint without end":  {forge(t, fields(map[int]any{17: []byte{0x80}})), codec.ErrDamaged, "lengths"},
		"varint of 11 bytes":  {forge(t, fields(map[int]any{17: bytes.Repeat([]byte{0xff}, 11)})), codec.ErrDamaged, "lengths"},
		"seqs too many":       {forge(t, fields(map[int]any{11: varints(1)})), codec.ErrDamaged, "seqs"},
		"seq falls":           {forge(t, fields(map[int]any{8: 2, 19: "a\nb", 11: varints(-1), 13: varints(1, 1)})), codec.ErrInvalid, "number 1 after 1"},
		"seq overflows":       {forge(t, fields(map[int]any{8: 2, 9: uint64(math.MaxUint64), 19: "a\nb", 13: varints(1, 1)})), codec.ErrInvalid, "must rise"},
		"step":                {forge(t, fields(map[int]any{10: 2})), codec.ErrInvalid, "step 2"},
		"unit 0":              {forge(t, fields(map[int]any{12: 0})), codec.ErrInvalid, "units of 0 ns"},
		"unit of a minute":    {forge(t, fields(map[int]any{12: int64(time.Minute)})), codec.ErrInvalid, "part of a second"},
		"times too few":       {forge(t, fields(map[int]any{8: 2, 19: "a\nb"})), codec.ErrDamaged, "times: 1 numbers where 2"},
		"time":                {forge(t, fields(map[int]any{13: varints(math.MaxInt64)})), codec.ErrInvalid, "event 0: invalid: time"},
		"time overflows":      {forge(t, fields(map[int]any{8: 2, 19: "a\nb", 13: varints(1, math.MaxInt64)})), codec.ErrInvalid, "event 1: invalid: time"},
		"zone":                {forge(t, fields(map[int]any{14: varints(86400)})), codec.ErrInvalid, "zone 86400"},
		"zone overflows":      {forge(t, fields(map[int]any{14: varints(math.MinInt64)})), codec.ErrInvalid, "zone"},
		"location":            {forge(t, fields(map[int]any{15: varints(1)})), codec.ErrDamaged, "event 0: location 1 of 1"},
		"location negative":   {forge(t, fields(map[int]any{15: varints(-1)})), codec.ErrDamaged, "location -1"},
		"no locations":        {forge(t, fields(map[int]any{18: nil})), codec.ErrDamaged, "location 0 of 0"},
		"kind":                {forge(t, fields(map[int]any{16: varints(10)})), codec.ErrInvalid, "kind 5"},
		"priority":            {forge(t, fields(map[int]any{20: varints(193)})), codec.ErrInvalid, "event 0: priority 193"},
		"priority negative":   {forge(t, fields(map[int]any{20: varints(-1)})), codec.ErrInvalid, "priority -1"},
		"priorities too many": {forge(t, fields(map[int]any{20: varints(1, 1)})), codec.ErrDamaged, "priorities: 1 bytes behind"},
		"sent":                {forge(t, fields(map[int]any{7: int64(-1)})), codec.ErrInvalid, "sent"},
		"agent":               {forge(t, fields(map[int]any{1: "web\n"})), codec.ErrInvalid, "agent id"},
		"agent of other type": {forge(t, fields(map[int]any{1: 5})), codec.ErrDamaged, "its CBOR"},
		"many labels":         {forge(t, fields(map[int]any{3: map[int]any{7: labels(999)}})), codec.ErrTooLarge, "labels"},
		"very many labels":    {forge(t, fields(map[int]any{3: map[int]any{7: labels(5000)}})), codec.ErrDamaged, "exceeded max number"},
		"long text":           {forge(t, fields(map[int]any{19: strings.Repeat("x", event.MaxText+1)})), codec.ErrTooLarge, "text of 65537"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := codec.Decode(c.data)
			if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.text) {
				t.Errorf("%v, want %v and %q", err, c.want, c.text)
			}
			if err != nil && b != nil {
				t.Error("an error and a batch")
			}
		})
	}
}

func mustCBOR(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := cbor.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func labels(n int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[fmt.Sprint(i)] = "x"
	}
	return m
}

// bombs are records that unpack to 1 GiB, and what they cost.
func TestBombs(t *testing.T) {
	const (
		magic  = "YGR\x01\x28\xb5\x2f\xfd"
		block  = "\x02\x00\x10\x00" // 128 KiB zeros
		blocks = 1 << 30 / (128 << 10)
		last   = "\x09\x00\x00x" // one byte, and the end
	)
	zeros := strings.Repeat(block, blocks) + last
	member := gzipped(t, make([]byte, 1<<20))
	for name, data := range map[string][]byte{
		"zstd":                     []byte(magic + "\x00\x68" + zeros),             // a window of 8 MiB, no size
		"zstd that says so":        []byte(magic + "\xa0\x00\x00\x00\x40" + zeros), // 1 GiB
		"zstd's window":            []byte(magic + "\x00\xa0" + last),              // of 1 GiB, for one byte
		"frames":                   []byte("YGR\x01" + strings.Repeat(magic[4:]+"\x00\x68"+strings.Repeat(block, 64)+last, blocks/64)),
		"CloudWatch":               bytes.Repeat(member, 950),
		"CloudWatch, empty events": gzipped(t, []byte(`{"messageType":"DATA_MESSAGE","logEvents":[{}`+strings.Repeat(",{}", 1_000_000)+`]}`)),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := codec.Events(codec.Record{Data: data, Sequence: "1", Arrived: noon})
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, codec.ErrTooLarge) {
				t.Errorf("%v, want %v", err, codec.ErrTooLarge)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 8*codec.MaxRaw {
				t.Errorf("%d MiB were allocated for it", used>>20)
			}
			if took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, b := range []*event.Batch{sample(), logLines(20)} {
		data := encode(f, b)
		f.Add(data, false)
		f.Add(raw(f, b), true)
	}
	f.Add(readFile(f, "testdata/v1.batch"), false)
	f.Add(mustCBOR(f, fields(map[int]any{20: varints(35)})), true)
	f.Fuzz(func(t *testing.T, data []byte, pack bool) {
		if pack { // else next to no input gets beyond zstd's checksum
			data = wrap(t, data)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		b, err := codec.Decode(data)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 16*codec.MaxRaw {
			t.Fatalf("%d MiB for %d bytes", used>>20, len(data))
		}
		if err != nil {
			return
		}
		again, err := codec.Encode(b)
		if errors.Is(err, codec.ErrTooLarge) { // another program may pack it better
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		b2, err := codec.Decode(again)
		if err != nil {
			t.Fatal(err)
		}
		mustEqual(t, b2, b)
	})
}

package wire_test

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/yagura-hids/yagura/internal/wire"
)

const line = "1:/var/log/auth.log:Nov 25 10:00:00 web1 sshd[24811]: Failed password for invalid user admin from 203.0.113.77 port 51122 ssh2"

func TestOpenWhatAgentsSeal(t *testing.T) {
	codec := wire.NewCodec(key)
	texts := rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 200), rapid.SliceOfN(rapid.ByteRange('a', 'f'), 0, 7000))
	rapid.Check(t, func(rt *rapid.T) {
		text := texts.Draw(rt, "text")
		c := rapid.SampledFrom([]wire.Cipher{wire.Blowfish, wire.AES, wire.WazuhAES}).Draw(rt, "cipher")
		rest := append([]byte("123454000000000:0042:"), text...)
		d, m, err := open(codec, append([]byte("!001!"), encrypt(t, key, c, pack(t, inner(rest)))...), wire.MaxWazuh)
		if err != nil {
			rt.Fatal(err)
		}
		if string(d.ID) != "001" || m.Cipher != c || m.Random != 12345 || m.Seq() != 4000000000*10000+42 || !bytes.Equal(m.Text, text) {
			rt.Fatalf("id %q, %+v", d.ID, m)
		}
		if len(text) < 6000 {
			checkReseal(t, codec, d, m, wire.MaxWazuh)
		}
	})
}

func TestSealRefuses(t *testing.T) {
	text := func(n int) []byte { return bytes.Repeat([]byte("x"), n) }
	for name, c := range map[string]struct {
		m    wire.Message
		want error
	}{
		"as long as can be":       {wire.Message{Local: 1, Text: text(wire.MaxMessage - 53)}, nil},
		"too long":                {wire.Message{Local: 1, Text: text(wire.MaxMessage - 52)}, wire.ErrTooLarge},
		"not too long for Wazuh":  {wire.Message{Local: 1, Cipher: wire.WazuhAES, Text: text(wire.MaxWazuh - 53)}, nil},
		"too long for Wazuh":      {wire.Message{Local: 1, Cipher: wire.WazuhAES, Text: text(wire.MaxWazuh - 52)}, wire.ErrTooLarge},
		"no local counter":        {wire.Message{Text: text(1)}, wire.ErrFormat},
		"a large local counter":   {wire.Message{Local: 10000, Text: text(1)}, wire.ErrFormat},
		"random of six digits":    {wire.Message{Local: 1, Random: 100000, Text: text(1)}, wire.ErrFormat},
		"a cipher that is no one": {wire.Message{Local: 1, Cipher: 3, Text: text(1)}, wire.ErrFormat},
	} {
		if _, err := wire.NewCodec(key).Seal(nil, "", c.m); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestEachSealedAESIsAnother(t *testing.T) {
	codec, m := wire.NewCodec(key), wire.Message{Cipher: wire.AES, Local: 1, Text: []byte(wire.Ack)}
	a, err1 := codec.Seal(nil, "", m)
	b, err2 := codec.Seal(nil, "", m)
	if err := errors.Join(err1, err2); err != nil || bytes.Equal(a, b) {
		t.Errorf("%v: the IV is the same", err)
	}
}

func TestOpenOnOddDatagrams(t *testing.T) {
	for _, d := range []wire.Datagram{{}, {AES: true}, {Body: []byte("1234567")}, {AES: true, Body: make([]byte, 24)}} {
		if _, err := wire.NewCodec(key).Open(d, wire.MaxMessage, new(wire.Scratch)); err != wire.ErrFormat {
			t.Errorf("%+v: %v", d, err)
		}
	}
}

// TestScratchForgets opens large and small, good and bad in one memory.
func TestScratchForgets(t *testing.T) {
	codec := wire.NewCodec(key)
	random := rand.New(rand.NewPCG(1, 2))
	var s wire.Scratch
	for range 300 {
		c := wire.Cipher(random.UintN(3))
		text := bytes.Repeat([]byte(line), random.IntN(40))
		datagram := encrypt(t, key, c, pack(t, inner(append([]byte("000000000000001:0001:"), text...))))
		if random.IntN(3) == 0 {
			datagram[len(datagram)-1-random.IntN(len(datagram)/2)] ^= 1
			text = nil
		}
		d, err := wire.Split(datagram)
		if err != nil {
			t.Fatal(err)
		}
		m, err := codec.Open(d, wire.MaxMessage, &s)
		if text == nil && err == nil && string(m.Text) != "" || text != nil && (err != nil || !bytes.Equal(m.Text, text)) {
			t.Fatalf("%v of %d bytes: %v", c, len(text), err)
		}
	}
}

func TestCodecForManyGoroutines(t *testing.T) {
	codec := wire.NewCodec(key)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for local := range uint32(100) {
				m := wire.Message{Cipher: wire.Cipher(i % 3), Local: local + 1, Text: []byte(line)}
				datagram, err := codec.Seal(nil, "", m)
				_, got, err2 := open(codec, datagram, wire.MaxMessage)
				if err := errors.Join(err, err2); err != nil || got.Local != m.Local || string(got.Text) != line {
					t.Errorf("%v %+v", err, got)
				}
			}
		})
	}
	all.Wait()
}

func TestOpenAllocatesNothing(t *testing.T) {
	codec := wire.NewCodec(key)
	for _, c := range []wire.Cipher{wire.Blowfish, wire.AES, wire.WazuhAES} {
		datagram := encrypt(t, key, c, pack(t, inner([]byte("000000000000001:0001:"+line))))
		var s wire.Scratch
		if n := testing.AllocsPerRun(100, func() {
			d, _ := wire.Split(datagram)
			if _, err := codec.Open(d, wire.MaxMessage, &s); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("%v: %v allocations", c, n)
		}
	}
}

// unzlib is the standard library's answer.
func unzlib(stream []byte, limit int) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(stream))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, int64(limit)))
}

// checkInflate compares with the standard library, which looks at the checksum, too.
func checkInflate(t testing.TB, stream []byte) {
	t.Helper()
	const limit = 5000
	got := make([]byte, limit)
	n, err := new(wire.Scratch).Inflate(got, stream)
	want, wantErr := unzlib(stream, limit+1)
	switch {
	case len(want) > limit:
		if err == nil {
			t.Fatalf("%d bytes, want too many", n)
		}
	case wantErr == nil && (err != nil || !bytes.Equal(got[:n], want)):
		t.Fatalf("got %q %v, want %q", got[:n], err, want)
	case wantErr != nil && err == nil:
		if atEnd := errors.Is(wantErr, zlib.ErrChecksum) || errors.Is(wantErr, io.ErrUnexpectedEOF); !atEnd || !bytes.Equal(got[:n], want) {
			t.Fatalf("got %q, want %q %v", got[:n], want, wantErr)
		}
	}
}

func TestInflateAsTheStandardLibrary(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 700 {
		var b bytes.Buffer
		w, err := zlib.NewWriterLevel(&b, []int{flate.NoCompression, 1, 6, 9, flate.HuffmanOnly}[random.IntN(5)])
		if err != nil {
			t.Fatal(err)
		}
		for range random.IntN(4) {
			for range random.IntN(300) {
				// letters of very different frequencies need long codes
				letter := byte(random.ExpFloat64() * float64(1+random.IntN(30)))
				w.Write(bytes.Repeat([]byte{letter}, 1+random.IntN(1+random.IntN(30))))
			}
			w.Flush() // ends a block
		}
		w.Close()
		stream := b.Bytes()
		checkInflate(t, stream)
		if i := random.IntN(len(stream)); random.IntN(2) == 0 {
			stream[i] ^= 1 << random.IntN(8)
			checkInflate(t, stream)
		}
		checkInflate(t, stream[:random.IntN(len(stream))])
	}
}

func FuzzInflate(f *testing.F) {
	f.Add(bytes.TrimLeft(pack(f, []byte(line)), "!"))
	f.Add(bytes.TrimLeft(pack(f, []byte(strings.Repeat("abcdefgh", 1000))), "!"))
	f.Fuzz(func(t *testing.T, stream []byte) { checkInflate(t, stream) })
}

// FuzzOpen opens what is given, and what strangers who have the key could make of it. Whatever opens must seal to what opens to the same.
func FuzzOpen(f *testing.F) {
	for _, path := range []string{"a-blowfish-startup", "b-aes-event", "d-wazuh-startup"} {
		_, datagram := readVector(f, filepath.Join("testdata/vectors", path+".vec"))
		f.Add(datagram, byte(0))
	}
	f.Add([]byte("000010000000002:0003:1:f:text"), byte(1))
	f.Add(pack(f, inner([]byte("000010000000002:0003:1:f:text"))), byte(5))
	codec := wire.NewCodec(key)
	f.Fuzz(func(t *testing.T, data []byte, how byte) {
		c := wire.Cipher(how % 3)
		switch how / 3 % 4 {
		case 0: // as it is
		case 1: // decrypted
			data = encrypt(t, key, c, append(data, bytes.Repeat([]byte("!"), -len(data)&7)...))
		case 2: // unpacked
			data = encrypt(t, key, c, pack(t, data))
		case 3: // with the checksum
			data = encrypt(t, key, c, pack(t, inner(data)))
		}
		if d, m, err := open(codec, data, wire.MaxMessage); err == nil {
			checkReseal(t, codec, d, m, wire.MaxMessage)
		}
	})
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("!001!:12345678"))
	f.Add([]byte("#AES:1234567812345678"))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		d, err := wire.Split(datagram)
		if err != nil {
			return
		}
		var again []byte
		if d.ID != nil {
			again = append(append([]byte("!"), d.ID...), '!')
		}
		marker := ":"
		if d.AES {
			marker = "#AES:"
		}
		if again = append(append(again, marker...), d.Body...); !bytes.Equal(again, datagram) || len(d.Body) == 0 {
			t.Errorf("%q became %+v", datagram, d)
		}
	})
}

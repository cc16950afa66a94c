package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"runtime"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// FuzzFile reads whatever there is. It must not panic, must give packets that
// can be, must not take more memory than the input warrants, and must give the
// same when the input comes in pieces. Checksums of xz are set right first, so
// that what they guard is reached.
func FuzzFile(f *testing.F) {
	ps := packets(second, 4)
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		f.Add(pcapOf(order, 1, ps), byte(1))
		f.Add(pcapOf(order, 1000, ps), byte(7))
		g := &ng{order: order}
		g.section().iface(LinkEthernet, 0, resol(9), g.offset(-5)).iface(LinkRaw, 8, resol(0x80|30)).
			packet(0, 1, []byte("abc"), 3).simple([]byte("defg"), 9).block(77, []byte("skipped")).packet(1, 1<<40, nil, 0)
		f.Add(g.b, byte(2))
	}
	for i, z := range squeezers {
		packed := z(nanoPcap(ps))
		f.Add(packed, byte(1+50*i))
		f.Add(append(packed, packed[:len(packed)*2/3]...), byte(9))
	}
	f.Add(fstrmOf(f, taps(f, second, 3)), byte(7))
	f.Add(xzClaim(40), byte(3))
	f.Add(xzClaim(20), byte(3))
	f.Add(zstdClaim(17<<3, nil), byte(3))
	f.Add(zstdClaim(0xa0, []byte{0, 0, 0, 6}), byte(3))
	f.Fuzz(func(t *testing.T, b []byte, piece byte) {
		if bytes.HasPrefix(b, []byte("\xfd7zXZ\x00")) {
			b = fixXz(bytes.Clone(b))
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		whole := readSome(t, bytes.NewReader(b))
		runtime.ReadMemStats(&after)
		// A decompressor may have a window of 128 MiB; a batch grows with
		// what was read, and each packet adds its header.
		limit := 8*whole.octets + 4*BlockSize + 16<<20
		compressed := !bytes.HasPrefix(b, []byte("\n\r\r\n")) && !isPcap(b)
		if compressed {
			limit += 256 << 20
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > uint64(limit) {
			t.Fatalf("%d octets allocated for an input of %d, %d after decompression", got, len(b), whole.octets)
		}
		if whole.octets > 1<<20 { // takes too long in pieces
			return
		}
		got := readSome(t, &pieces{b, int(piece) + 1})
		if compressed && whole.broken() && got.broken() {
			return // how much a decompressor makes of what is no good, and what it calls it, differ
		}
		if whole.octets, got.octets = 0, 0; got != whole {
			t.Fatalf("in pieces of %d:\n%+v\nwhole:\n%+v", int(piece)+1, got, whole)
		}
	})
}

// outcome is what reading a capture comes to.
type outcome struct {
	packets int
	sum     uint64 // of all that packets are
	err     string
	logged  string
	octets  int // decompressed
}

// broken reports whether the capture did not end as captures should.
func (o *outcome) broken() bool { return o.err != io.EOF.Error() || o.logged != "" }

// readSome reads a capture to its end, or until it looks like a bomb.
func readSome(t *testing.T, r io.Reader) (o outcome) {
	log, logged := logTo()
	src, err := NewReader("fuzz", r, log)
	if err != nil {
		return outcome{err: err.Error()}
	}
	defer src.Close()
	plain := &counter{r: src.(*file).r}
	src.(*file).r = plain
	var batch Batch
	sum := fnv.New64a()
	for {
		err = src.Read(&batch)
		if (err != nil) != (len(batch.Packets) == 0) {
			t.Fatalf("%d packets, %v", len(batch.Packets), err)
		}
		if err != nil {
			break
		}
		for _, p := range batch.Packets {
			if p.Wire < len(p.Data) || len(p.Data) > maxRecord {
				t.Fatalf("packet of %d octets, %d on the wire", len(p.Data), p.Wire)
			}
			fmt.Fprint(sum, p.Time, p.Wire, p.Link, len(p.Data))
			sum.Write(p.Data)
		}
		o.packets += len(batch.Packets)
		if plain.n > 64<<20 {
			return outcome{octets: plain.n}
		}
	}
	if again := src.Read(&batch); again == nil || again.Error() != err.Error() {
		t.Fatalf("ended with %v, then with %v", err, again)
	}
	o.sum, o.err, o.logged, o.octets = sum.Sum64(), err.Error(), logged.String(), plain.n
	return o
}

func isPcap(b []byte) bool {
	if len(b) < pcapHeaderLen {
		return false
	}
	_, ok := newPcap(b)
	return ok
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += n
	return n, err
}

// pieces gives at most n octets at once, the last of them with the end.
type pieces struct {
	b []byte
	n int
}

func (p *pieces) Read(b []byte) (int, error) {
	n := copy(b[:min(len(b), p.n)], p.b)
	if p.b = p.b[n:]; len(p.b) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// squeezers compress, or not.
var squeezers = []func(b []byte) []byte{
	func(b []byte) []byte { return b },
	func(b []byte) []byte {
		return squeeze(b, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	},
	func(b []byte) []byte {
		return squeeze(b, func(w io.Writer) io.WriteCloser {
			z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<10))
			if err != nil {
				panic(err)
			}
			return z
		})
	},
	func(b []byte) []byte {
		return squeeze(b, func(w io.Writer) io.WriteCloser {
			z := lz4.NewWriter(w)
			if err := z.Apply(lz4.BlockSizeOption(lz4.Block64Kb)); err != nil {
				panic(err)
			}
			return z
		})
	},
}

func squeeze(b []byte, open func(io.Writer) io.WriteCloser) []byte {
	var out bytes.Buffer
	w := open(&out)
	if _, err := w.Write(b); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// FuzzPackets takes packets from the input, six octets about each and its data,
// and writes them in every way: classic pcap by our writer and in the other
// forms, pcapng in both byte orders with other blocks between, in two
// compressed files or none. All of it must read as the same packets.
func FuzzPackets(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01\x03\x00abc\x01\x02\x03\x04\x00\x09\x02\x00\x00\x00\x05\x02xxxxx"), byte(0), byte(200))
	f.Add([]byte("\x00\x00\x00\x01\x03\x00abc\x21\x02\x03\x04\x01\x09y\x22\x00\x00\x00\x02\x02ab\x63\x00\x00\x00\x00\x00"), byte(5), byte(3))
	for i := range byte(16) {
		f.Add(bytes.Repeat([]byte{i, 17 * i, 1, 0x80, i, 3, 'd', 'n', 's'}, 40), i, i)
	}
	f.Fuzz(func(t *testing.T, in []byte, how, piece byte) {
		var want []Packet
		for time := second; len(in) >= 6; {
			n := min(int(in[4]), len(in)-6)
			time += int64(binary.BigEndian.Uint32(in)&0xffffff) * 1000
			want = append(want, Packet{Time: time, Data: in[6 : 6+n], Wire: n + int(in[5]), Link: LinkEthernet})
			in = in[6+n:]
		}
		order := []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian}[how&1]
		var b []byte
		switch how >> 1 & 7 {
		case 0:
			var out bytes.Buffer
			w, err := NewWriter(&out, LinkEthernet)
			if err == nil {
				err = w.Write(want...)
			}
			if err != nil {
				t.Fatal(err)
			}
			b = out.Bytes()
		case 1, 2, 3:
			b = pcapOf(order, []int64{1, 1000}[how>>3&1], want)
		default:
			g := &ng{order: order}
			g.section()
			for i, p := range want {
				switch i % 5 {
				case 0: // a new section, its interfaces are its own
					g.section().iface(LinkEthernet, 0, resol(9)).iface(LinkEthernet, 0).iface(LinkEthernet, 65535, g.offset(second/1e9), resol(9))
					g.packet(0, uint64(p.Time), p.Data, p.Wire)
				case 1:
					g.block(5, p.Data).block(0x80000001, nil)
					g.packet(1, uint64(p.Time/1000), p.Data, p.Wire)
				case 2:
					g.packet(2, uint64(p.Time-second), p.Data, p.Wire)
				default:
					g.block(4, bytes.Repeat([]byte{0}, len(p.Data)*len(p.Data)))
					g.packet(0, uint64(p.Time), p.Data, p.Wire)
				}
			}
			b = g.b
		}
		pack := squeezers[how>>4&3]
		cut := len(b) * int(piece) / 255
		if packed := append(pack(b[:cut:cut]), pack(b[cut:])...); cut > 0 || how>>4&3 == 0 {
			b = packed
		} else {
			b = pack(b)
		}
		src, err := NewReader("fuzz", &pieces{b, int(piece)*int(piece) + 1}, quiet(t))
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		got, err := readAll(src)
		if err != nil {
			t.Fatal(err)
		}
		wantPackets(t, got, want)
	})
}

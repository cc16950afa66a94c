package speedy

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"

	"ratadns/capture"
)

// loop gives the packets of a capture again and again, n in all.
type loop struct {
	batches []capture.Batch
	next, n int
}

func newLoop(b *testing.B, pcap []byte) *loop {
	src := openPcap(b, pcap)
	l := new(loop)
	for {
		var batch capture.Batch
		if err := src.Read(&batch); err == io.EOF {
			return l
		} else if err != nil {
			b.Fatal(err)
		}
		l.batches = append(l.batches, batch)
	}
}

func (l *loop) Read(b *capture.Batch) error {
	b.Packets = b.Packets[:0]
	if l.n == 0 {
		return io.EOF
	}
	from := l.batches[l.next%len(l.batches)].Packets
	l.next++
	b.Packets = append(b.Packets, from[:min(len(from), l.n)]...)
	l.n -= len(b.Packets)
	return nil
}

func (l *loop) Close() error { return nil }

// counting counts what is written.
type counting int64

func (c *counting) Write(b []byte) (int, error) {
	*c += counting(len(b))
	return len(b), nil
}

// BenchmarkWrite turns packets in memory into JSON; an operation is a packet.
func BenchmarkWrite(b *testing.B) {
	pcap := sampleCapture(b)
	for _, workers := range []int{1, 2} {
		for _, method := range []Method{None, Hash, Prefix} {
			b.Run(fmt.Sprintf("workers=%d/anonymize=%s", workers, method), func(b *testing.B) {
				src := newLoop(b, pcap)
				src.n = b.N
				var out counting
				b.ReportAllocs()
				b.ResetTimer()
				s, err := Write(b.Context(), src, &out, DefaultConfig(), workers, FieldsDefault, anonymizer(b, method, Key{1}))
				if err != nil || s.Received != uint64(b.N) || b.N > 1000 && out == 0 {
					b.Fatalf("%v, %+v, %d octets", err, s, out)
				}
				b.SetBytes(int64(out) / int64(b.N))
			})
		}
	}
}

// repeated gives the same octets for ever.
type repeated struct {
	b   []byte
	off int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := copy(p, r.b[r.off:])
	if r.off += n; r.off == len(r.b) {
		r.off = 0
	}
	return n, nil
}

// BenchmarkReader reads JSON from memory; an operation is a message.
func BenchmarkReader(b *testing.B) {
	src, err := capture.NewReader("sample", bytes.NewReader(sampleCapture(b)), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := Write(b.Context(), src, &out, DefaultConfig(), 1, FieldsDefault, anonymizer(b, None, Key{})); err != nil {
		b.Fatal(err)
	}
	r := NewReader(&repeated{b: slices.Clone(out.Bytes())})
	var m Message
	b.SetBytes(int64(out.Len()) / 47127)
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Next(&m); err != nil {
			b.Fatal(err)
		}
	}
	if r.Stats.Bad+r.Stats.Length > 0 {
		b.Errorf("%+v", r.Stats)
	}
}

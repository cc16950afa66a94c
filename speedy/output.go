package speedy

import (
	"context"
	"io"
	"math"
	"net/netip"

	"golang.org/x/sys/cpu"

	"ratadns/capture"
	"ratadns/packet"
)

// Write turns src into messages on w with n workers, in the order of the
// capture: the same octets for any n.
func Write(ctx context.Context, src capture.Source, w io.Writer, cfg Config, n int, fields Fields, anon *Anonymizer) (Stats, error) {
	m := merger{w: w}
	records := fields&(FieldAnswers|FieldAuthorities|FieldAdditionals) != 0
	handlers := func() (list []Handler) {
		for range n {
			o := &output{dec: NewDecoder(NewSides(cfg.Ports, nil), records), enc: NewEncoder(fields, anon.Clone()), mark: n > 1, limit: maxOutput / n}
			m.out = append(m.out, o)
			list = append(list, o)
		}
		return list
	}
	var e *Engine
	if n == 1 {
		e = NewEngine(cfg, handlers()...)
	} else {
		e = NewSpreadEngine(cfg, handlers(), handlers())
	}
	err := e.Run(ctx, src, func() error { return m.flush(e.Place()) })
	stats := e.Stats()
	for _, o := range m.out {
		stats.Malformed += o.dec.Malformed
	}
	return stats, err
}

// output is one worker's part of a batch as JSON.
type output struct {
	dec   *Decoder
	enc   *Encoder
	buf   []byte
	mark  bool
	limit int // octets of buf
	marks []mark
	next  int // the mark that merge has come to
	_     cpu.CacheLinePad
}

// maxOutput bounds the JSON of all workers that waits to be written. A batch
// of packets has some 300 kB, but packets that complete many long messages,
// whose questions are pointers to one long name, would have gigabytes.
const maxOutput = 8 << 20

// Full implements [Pauser].
func (o *output) Full() bool { return len(o.buf) >= o.limit }

// A mark says where the message of that place ends in buf.
type mark struct {
	place uint64
	end   int
}

// Payload implements [Handler].
func (o *output) Payload(p *packet.Payload) {
	o.buf = o.enc.AppendFramed(o.buf, o.dec.Decode(p))
	if o.mark {
		o.marks = append(o.marks, mark{p.Place, len(o.buf)})
	}
}

// Lost implements [Handler]: the counters tell.
func (o *output) Lost(source, dest netip.Addr, place uint64) {}

// A merger writes the messages of all outputs by place.
type merger struct {
	w   io.Writer
	out []*output
	buf []byte
	err error // the first
}

// flush writes what is there of messages before the place until, which is the
// first that has not been worked. Those behind it wait.
func (m *merger) flush(until uint64) error {
	if len(m.out) == 1 {
		o := m.out[0]
		m.buf, o.buf = o.buf, o.buf[:0]
		return m.write()
	}
	for {
		// The messages of one output up to the next of another go in one piece.
		var best *output
		first, end := until, until
		for _, o := range m.out {
			if p := o.place(); p < first {
				best, first, end = o, p, first
			} else {
				end = min(end, p)
			}
		}
		if best == nil {
			break
		}
		start := best.start()
		for best.place() < end {
			best.next++
		}
		m.append(best.buf[start:best.start()])
	}
	for _, o := range m.out {
		o.drop()
	}
	return m.write()
}

// largePiece is written from where it is.
const largePiece = 16 << 10

func (m *merger) append(piece []byte) {
	if len(piece) < largePiece {
		m.buf = append(m.buf, piece...)
		if len(m.buf) < maxOutput {
			return
		}
		piece = nil
	}
	_ = m.write() // the first error is kept
	if len(piece) > 0 && m.err == nil {
		_, m.err = m.w.Write(piece)
	}
}

// write writes buf. What follows an error is dropped, so that the rest of the
// batch is still counted.
func (m *merger) write() error {
	if len(m.buf) > 0 && m.err == nil {
		_, m.err = m.w.Write(m.buf)
	}
	m.buf = m.buf[:0]
	return m.err
}

// place is that of the next message to be written.
func (o *output) place() uint64 {
	if o.next == len(o.marks) {
		return math.MaxUint64
	}
	return o.marks[o.next].place
}

// start is where the next message begins in buf.
func (o *output) start() int {
	if o.next == 0 {
		return 0
	}
	return o.marks[o.next-1].end
}

// drop forgets what has been written.
func (o *output) drop() {
	start := o.start()
	o.buf = o.buf[:copy(o.buf, o.buf[start:])]
	o.marks = o.marks[:copy(o.marks, o.marks[o.next:])]
	for i := range o.marks {
		o.marks[i].end -= start
	}
	o.next = 0
}

package speedy

import (
	"context"
	"io"
	"net/netip"

	"ratadns/capture"
	"ratadns/packet"
)

// Write turns src into messages on w with n workers, in the order of the
// capture: the same octets for any n.
func Write(ctx context.Context, src capture.Source, w io.Writer, cfg Config, n int, fields Fields, anon *Anonymizer) (Stats, error) {
	out := make([]*output, n)
	handlers := make([]Handler, n)
	records := fields&(FieldAnswers|FieldAuthorities|FieldAdditionals) != 0
	for i := range out {
		out[i] = &output{dec: NewDecoder(NewSides(cfg.Ports, nil), records), enc: NewEncoder(fields, anon.Clone()), mark: n > 1, limit: maxOutput / n}
		handlers[i] = out[i]
	}
	e := NewEngine(cfg, handlers...)
	m := merger{w: w, out: out}
	err := e.Run(ctx, src, m.flush)
	stats := e.Stats()
	for _, o := range out {
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

// flush writes what is there. Behind the last message of an output that is full
// more may come, so that messages of the others behind that place wait.
func (m *merger) flush() error {
	if len(m.out) == 1 {
		o := m.out[0]
		m.buf, o.buf = o.buf, o.buf[:0]
		return m.write()
	}
	m.buf = m.buf[:0]
	until := uint64(1<<64 - 1)
	for _, o := range m.out {
		if o.Full() {
			until = min(until, o.marks[len(o.marks)-1].place)
		}
	}
	for {
		var best *output
		for _, o := range m.out {
			if o.next < len(o.marks) && (best == nil || o.marks[o.next].place < best.marks[best.next].place) {
				best = o
			}
		}
		if best == nil || best.marks[best.next].place > until {
			break
		}
		m.buf = append(m.buf, best.buf[best.start():best.marks[best.next].end]...)
		best.next++
		if len(m.buf) >= maxOutput {
			_ = m.write() // the first error is kept
		}
	}
	for _, o := range m.out {
		o.drop()
	}
	return m.write()
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

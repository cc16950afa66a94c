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
		out[i] = &output{dec: NewDecoder(NewSides(cfg.Ports, nil), records), enc: NewEncoder(fields, anon.Clone()), mark: n > 1}
		handlers[i] = out[i]
	}
	e := NewEngine(cfg, handlers...)
	var merged []byte
	err := e.Run(ctx, src, func() error {
		merged = merge(merged[:0], out)
		buf := merged
		if n == 1 {
			buf = out[0].buf
		}
		if len(buf) == 0 {
			return nil
		}
		_, err := w.Write(buf)
		for _, o := range out {
			o.buf, o.marks, o.next = o.buf[:0], o.marks[:0], 0
		}
		return err
	})
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
	marks []mark
	next  int // the mark that merge has come to
}

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

// merge appends the messages of all outputs by place.
func merge(dst []byte, out []*output) []byte {
	if len(out) == 1 {
		return dst
	}
	for {
		var best *output
		for _, o := range out {
			if o.next < len(o.marks) && (best == nil || o.marks[o.next].place < best.marks[best.next].place) {
				best = o
			}
		}
		if best == nil {
			return dst
		}
		start := 0
		if best.next > 0 {
			start = best.marks[best.next-1].end
		}
		dst = append(dst, best.buf[start:best.marks[best.next].end]...)
		best.next++
	}
}

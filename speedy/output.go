package speedy

import (
	"context"
	"io"

	"ratadns/capture"
)

// Write turns src into messages on w with n workers, in the order of the
// capture: the same octets for any n.
func Write(ctx context.Context, src capture.Source, w io.Writer, cfg Config, n int, fields Fields, anon *Anonymizer) (Stats, error) {
	out := make([]*output, n)
	handlers := make([]Handler, n)
	for i := range out {
		out[i] = &output{enc: NewEncoder(fields, anon.Clone()), mark: n > 1}
		handlers[i] = out[i]
	}
	cfg.Records = fields&(FieldAnswers|FieldAuthorities|FieldAdditionals) != 0
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
	return e.Stats(), err
}

// output is one worker's part of a batch as JSON.
type output struct {
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

// Message implements [Handler].
func (o *output) Message(m *Message) {
	o.buf = o.enc.AppendFramed(o.buf, m)
	if o.mark {
		o.marks = append(o.marks, mark{m.Place, len(o.buf)})
	}
}

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

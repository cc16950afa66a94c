package speedy

import (
	"context"
	"io"

	"golang.org/x/sys/cpu"

	"ratadns/capture"
)

// Write turns src into messages on w with n workers, in the order of the
// capture: the same octets for any n.
func Write(ctx context.Context, src capture.Source, w io.Writer, cfg Config, n int, fields Fields, anon *Anonymizer) (Stats, error) {
	cfg.Workers = n
	o := &output{w: w}
	o.engine = NewEngine(cfg, o)
	o.limit = max(maxOutput/o.engine.most, minOutput)
	records := fields&(FieldAnswers|FieldAuthorities|FieldAdditionals) != 0
	for range n {
		o.encoders = append(o.encoders, &encoder{dec: NewDecoder(NewSides(cfg.Ports, nil), records), enc: NewEncoder(fields, anon.Clone())})
	}
	err := o.engine.Run(ctx, src)
	stats := o.engine.Stats()
	for _, e := range o.encoders {
		stats.Malformed += e.dec.Malformed
	}
	return stats, err
}

// output writes loads as JSON.
type output struct {
	engine   *Engine
	w        io.Writer
	encoders []*encoder // of the workers
	limit    int        // octets of a load that wait to be written
	err      error      // the first of w
}

type encoder struct {
	dec *Decoder
	enc *Encoder
	_   cpu.CacheLinePad
}

// maxOutput bounds the JSON of all loads that waits to be written. A load has
// some 300 kB, but packets that complete many long messages, whose questions are
// pointers to one long name, would have gigabytes.
const maxOutput = 8 << 20

// minOutput of each load may always wait.
const minOutput = 1 << 20

// Order implements [Handler].
func (o *output) Order(l *Load) {}

// Work implements [Handler].
func (o *output) Work(l *Load, worker int) {
	e := o.encoders[worker]
	l.json = l.json[:0]
	for i := range l.Found {
		if l.json = e.enc.AppendFramed(l.json, e.dec.Decode(l.Found[i])); len(l.json) >= o.limit {
			o.engine.flushPart(l)
			l.json = l.json[:0]
		}
	}
}

// Flush implements [Handler]. What follows an error is only counted.
func (o *output) Flush(l *Load) error {
	if len(l.json) > 0 && o.err == nil {
		_, o.err = o.w.Write(l.json)
	}
	return o.err
}

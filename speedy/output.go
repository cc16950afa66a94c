package speedy

import (
	"context"
	"io"
	"sync"

	"ratadns/capture"
)

// Write turns src into messages on w with n workers, in the order of the
// capture: the same octets for any n.
func Write(ctx context.Context, src capture.Source, w io.Writer, cfg Config, n int, fields Fields, anon *Anonymizer) (Stats, error) {
	p := newPipeline(ctx, src, w, cfg, n)
	defer p.src.close()
	workers := make([]*encodingWorker, n)
	records := fields&(FieldAnswers|FieldAuthorities|FieldAdditionals) != 0
	var wg sync.WaitGroup
	for i := range workers {
		w := &encodingWorker{
			parser: p.parser.Fork(), dec: NewDecoder(NewSides(cfg.Ports, nil), records), enc: NewEncoder(fields, anon.Clone()),
		}
		workers[i] = w
		if i > 0 {
			wg.Go(func() { p.run(w) })
		}
	}
	p.run(workers[0])
	wg.Wait()
	stats := p.close()
	for _, w := range workers {
		stats.Stats.Add(w.parser.Stats)
		stats.Malformed += w.dec.Malformed
	}
	if p.err != nil {
		return stats, p.err
	}
	return stats, p.src.err()
}

// maxOutput bounds the JSON of all loads that waits to be written. A load has
// some 300 kB, but packets that complete many long messages, whose questions are
// pointers to one long name, would have gigabytes.
const maxOutput = 8 << 20

// minOutput of each load may always wait.
const minOutput = 1 << 20

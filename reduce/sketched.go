package reduce

import (
	"github.com/cespare/xxhash/v2"

	"ratadns/report"
)

// Bounds of the keys that have a sketch each, of 16 kB at most of different
// values and 14 kB of quantiles.
const (
	DefaultMaxSketches = 1000
	maxSketches        = 10_000
)

// hash is that of the key that a table by the field would have. It is the same
// on all servers, so that what they count adds up. An address is hashed as it
// leaves the monitor: from a hash of the real one, anybody who tries all
// addresses learns which were there.
func (e *Event) hash(d dim) (uint64, bool) {
	c, bit := &e.columns[d.slot], setOf(e.at)
	if c.hashed&bit == 0 {
		c.hashed |= bit
		if c.hashes == nil {
			c.hashes = new([batchLen]uint64)
		}
		if n := c.numbers[e.at%batchLen]; c.there&bit != 0 && d.Kind.octets() && n != absentValue {
			c.hasHash |= bit
			c.hashes[e.at%batchLen] = e.names.hash(n)
		} else if text, ok := e.hashed(d); ok {
			c.hasHash |= bit
			c.hashes[e.at%batchLen] = xxhash.Sum64(text)
		}
	}
	return c.hashes[e.at%batchLen], c.hasHash&bit != 0
}

// hashed is what is hashed of a field.
func (e *Event) hashed(d dim) ([]byte, bool) {
	switch {
	case d.text != nil:
		return d.text(e)
	case d.addr != nil:
		p, ok := d.addr(e)
		if ok {
			e.raw = d.appendAddr(e.raw[:0], p, e.anon)
		}
		return e.raw, ok
	}
	n, ok := e.value(d)
	if ok = ok && n != absentValue; ok {
		e.raw = d.appendNumber(e.raw[:0], n, &Style{})
	}
	return e.raw, ok
}

// sketchKeys is for how many keys there is room.
func (p *Params) sketchKeys() int {
	if p.MaxKeys == 0 {
		return DefaultMaxSketches
	}
	return min(p.MaxKeys, maxSketches)
}

// addSketched adds what e has of the field to the sketch of its key.
func (d *declared) addSketched(e *Event) {
	var n uint64
	var ok bool
	if d.measure == Distinct {
		n, ok = e.hash(d.of)
	} else {
		var v uint32
		v, ok = e.value(d.of)
		n, ok = uint64(v), ok && v != absentValue
	}
	var k key
	if ok {
		k, ok = d.keyOf(e)
	}
	if !ok {
		d.keyless++
		return
	}
	switch s := d.sketch(&k, 1).(type) {
	case *report.Cardinality:
		s.AddHash(n)
	case *report.Distribution:
		s.Add(n)
	}
}

// addOnce is addSketched for some events of a batch, without the names that the
// sketch of all has already. It knows those by their numbers, where another reducer
// has made them have any.
func (d *declared) addOnce(c *common, of set) {
	column, names := &c.columns[d.of.slot], d.names
	if d.sweeps != names.sweeps {
		clear(d.once)
		d.sweeps = names.sweeps
	}
	for of != 0 {
		at := of.take()
		if n := column.numbers[at]; column.there&setOf(at) != 0 && d.of.Kind.octets() && n != absentValue {
			for int(n/64) >= len(d.once) {
				d.once = append(d.once, 0)
			}
			word, bit := &d.once[n/64], uint64(1)<<(n%64)
			if *word&bit != 0 {
				continue
			}
			*word |= bit
		}
		d.addSketched(c.batch[at])
	}
}

// sketch returns the sketch of k, to which so many values are added, or nil
// where there is no room. Rows never move, and have as n their values.
func (t *tally) sketch(k *key, values uint64) report.Sketch {
	rows := t.table
	i := int32(0)
	if len(t.by) > 0 || len(rows.rows) == 0 {
		var ok bool
		if i, ok = rows.index.get(k, rows.rows); !ok {
			if rows.row(k) == nil {
				rows.left += values
				return nil
			}
			if i = int32(len(rows.rows) - 1); int(i) == len(t.sketches) {
				t.sketches = append(t.sketches, t.newSketch())
			}
		}
	}
	rows.rows[i].n += values
	return t.sketches[i]
}

func (t *tally) newSketch() report.Sketch {
	if t.measure == Distinct {
		return report.Distinct.NewSketch()
	}
	return report.Quantiles.NewSketch()
}

// mergeSketched adds the sketches of o.
func (t *tally) mergeSketched(o *tally) {
	t.table.left += o.table.left
	for i, r := range o.table.rows {
		k := t.table.translate(r.key, o.table)
		if s := t.sketch(&k, r.n); s != nil {
			s.Merge(o.sketches[i])
		}
	}
}

// keptSketches are how many sketches of a window serve the next one too; the
// memory of more is given back.
const keptSketches = 64

func (t *tally) resetSketched() {
	if len(t.sketches) > keptSketches {
		t.sketches = nil
	}
	for _, s := range t.sketches {
		s.Reset()
	}
	t.table.reset()
	clear(t.once)
}

// reportSketched fills in data and state. Rows whose sketch does not fit into
// the state are not shown either.
func (d *declared) reportSketched(r *report.Report) {
	r.Shape = d.shape()
	r.Window.Skipped += d.table.left
	rows := d.ranked()
	for i := range rows {
		s := d.sketches[rows[i].place]
		rows[i].n = s.Rank()
		if c, ok := s.(*report.Cardinality); ok {
			r.Window.Error = max(r.Window.Error, c.Error())
		}
	}
	w := tableWriter{d: d, dst: d.written[:0], top: d.params.Top}
	var data int
	if len(d.by) == 0 {
		s := d.newSketch()
		if len(rows) > 0 {
			s = d.sketches[rows[0].place]
		}
		w.dst = s.AppendData(w.dst)
		data = len(w.dst)
		w.dst = report.AppendSketch(w.dst, s)
	} else {
		d.leave(rows, d.sketchRows(rows))
		w.table(rows)
		data = len(w.dst)
		w.writeState(rows)
	}
	d.written = w.dst
	r.Data, r.State = w.dst[:data:data], w.dst[data:]
}

// sketchRows is how many rows, in the order of what is measured, fit into data and
// state together.
func (d *declared) sketchRows(rows []rankedRow) int {
	const room = report.MaxReport - 1<<20
	size := 0
	var text []byte
	n := d.stateRows(rows)
	for i, place := range d.best(rows)[:n] {
		text = text[:0]
		for k := range d.by {
			text = report.AppendString(text, d.rankings[k].text(rows[place].keys[k]))
		}
		size += 2 * len(text)
		text = d.sketches[rows[place].place].AppendState(text[:0])
		// Four quantiles of ten digits with their names take 76 octets.
		if size += report.SketchText(len(text)) + 100; size > room {
			return i
		}
	}
	return n
}

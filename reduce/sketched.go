package reduce

import (
	"cmp"
	"slices"

	"github.com/cespare/xxhash/v2"

	"ratadns/report"
)

// Bounds of the keys that have a sketch each, of 16 kB at most of different
// values and 14 kB of quantiles.
const (
	DefaultMaxSketches = 1000
	maxSketches        = 10_000
)

// hashed is the hash of a field of an event, made once however many reducers
// ask.
type hashed struct {
	event uint32 // ordinal of the event it belongs to
	ok    bool
	hash  uint64
}

// hash is that of the key that a table by the field would have. It is the same
// on all servers, so that what they count adds up. An address is hashed as it
// leaves the monitor: from a hash of the real one, anybody who tries all
// addresses learns which were there.
func (e *Event) hash(d dim) (uint64, bool) {
	h := &e.values[d.slot].hash
	if h.event == e.ordinal {
		return h.hash, h.ok
	}
	h.event = e.ordinal
	var text []byte
	switch {
	case d.text != nil:
		text, h.ok = d.text(e)
	case d.addr != nil:
		p, ok := d.addr(e)
		if h.ok = ok; ok {
			e.raw = d.appendAddr(e.raw[:0], p, &Style{Anonymizer: e.anon})
			text = e.raw
		}
	default:
		n, ok := e.value(d)
		if h.ok = ok && n != absentValue; h.ok {
			e.raw = d.appendNumber(e.raw[:0], n, &Style{})
			text = e.raw
		}
	}
	if h.ok {
		h.hash = xxhash.Sum64(text)
	}
	return h.hash, h.ok
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
	for i := 0; ok && i < len(d.by); i++ {
		k[i], ok = e.value(d.by[i])
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

// sketch returns the sketch of k, to which so many values are added, or nil
// where there is no room. Rows never move, and have as n their values.
func (d *declared) sketch(k *key, values uint64) report.Sketch {
	t := d.table
	i := int32(0)
	if len(d.by) > 0 || len(t.rows) == 0 {
		var ok bool
		if i, ok = t.index.get(k); !ok {
			if t.row(k) == nil {
				t.left += values
				return nil
			}
			if i = int32(len(t.rows) - 1); int(i) == len(d.sketches) {
				d.sketches = append(d.sketches, d.shape().NewSketch())
			}
		}
	}
	t.rows[i].n += values
	return d.sketches[i]
}

// mergeSketched adds the sketches of o.
func (d *declared) mergeSketched(o *declared) {
	d.table.left += o.table.left
	for i, r := range o.table.rows {
		k := d.table.translate(r.key, o.table)
		if s := d.sketch(&k, r.n); s != nil {
			s.Merge(o.sketches[i])
		}
	}
}

// keptSketches are how many sketches of a window serve the next one too; the
// memory of more is given back.
const keptSketches = 64

func (d *declared) resetSketched() {
	if len(d.sketches) > keptSketches {
		d.sketches = nil
	}
	for _, s := range d.sketches {
		s.Reset()
	}
	d.table.reset()
}

// sketchedRows are the rows as they are written, by rank. Of keys that are
// written alike, as truncated addresses are, the sketches are merged.
func (d *declared) sketchedRows() []reportRow {
	d.rows = d.rows[:0]
	places := make(map[[maxDims]string]int)
	joined := make(map[int]bool)
	for i, r := range d.table.rows {
		row := d.row(&r.key, 0)
		row.sketch = d.sketches[i]
		at, ok := places[row.keys]
		switch {
		case !ok:
			places[row.keys] = len(d.rows)
			d.rows = append(d.rows, row)
			continue
		case !joined[at]: // the table's own sketch stays as it is
			joined[at] = true
			s := d.shape().NewSketch()
			s.Merge(d.rows[at].sketch)
			d.rows[at].sketch = s
		}
		d.rows[at].sketch.Merge(row.sketch)
	}
	for i := range d.rows {
		d.rows[i].n = d.rows[i].sketch.Rank()
	}
	slices.SortFunc(d.rows, func(a, b reportRow) int {
		return cmp.Or(cmp.Compare(b.n, a.n), slices.Compare(a.keys[:], b.keys[:]))
	})
	return d.rows
}

// reportSketched fills in data and state. Rows whose sketch does not fit into
// the state are not shown either.
func (d *declared) reportSketched(r *report.Report) {
	r.Shape = d.shape()
	r.Window.Skipped += d.table.left
	rows := d.sketchedRows()
	for i := range rows {
		if c, ok := rows[i].sketch.(*report.Cardinality); ok {
			r.Window.Error = max(r.Window.Error, c.Error())
		}
	}
	w := tableWriter{d: d, dst: d.written[:0], top: d.params.Top}
	var data int
	if len(d.by) == 0 {
		s := r.Shape.NewSketch()
		if len(rows) > 0 {
			s = rows[0].sketch
		}
		w.dst = s.AppendData(w.dst)
		data = len(w.dst)
		w.dst = report.AppendSketch(w.dst, s)
	} else {
		kept := rows[:sketchRows(rows, len(d.by))]
		w.table(kept, rows[len(kept):])
		data = len(w.dst)
		w.top, w.state = 0, true
		w.table(kept, rows[len(kept):])
	}
	d.written = w.dst
	r.Data, r.State = w.dst[:data:data], w.dst[data:]
}

// sketchRows is how many of the ranked rows fit into data and state together.
func sketchRows(rows []reportRow, dims int) int {
	const room = report.MaxReport - 1<<20
	size := 0
	var text []byte
	n := stateRows(rows, dims)
	for i := range rows[:n] {
		text = text[:0]
		for _, key := range rows[i].keys[:dims] {
			text = report.AppendString(text, key)
		}
		size += 2 * len(text)
		text = rows[i].sketch.AppendState(text[:0])
		// Four quantiles of ten digits with their names take 76 octets.
		if size += report.SketchText(len(text)) + 100; size > room {
			return i
		}
	}
	return n
}

package reduce

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ratadns/report"
)

// A Measure is what a declared reducer tells of each key.
type Measure uint8

// The measures. Those of a number take a field.
const (
	Count Measure = iota
	Rate          // count per second
	Sum
	Min
	Max
	Distinct  // how many different values
	Quantiles // p50, p90, p99, p999
)

// Measures are their words.
var Measures = [...]string{"count", "rate", "sum", "min", "max", "distinct", "quantiles"}

func (m Measure) String() string { return Measures[m] }

// OfField reports whether the measure is of a field: of a number, or Distinct of
// any.
func (m Measure) OfField() bool { return m >= Sum }

// added reports whether what is measured adds up, so that a sketch can stand in
// for the exact table.
func (m Measure) added() bool { return m <= Sum }

// sketched reports whether each key has a sketch.
func (m Measure) sketched() bool { return m >= Distinct }

// ParseMeasure reads a measure, with its field where it has one: "count",
// "sum:size".
func ParseMeasure(text string) (m Measure, field string, err error) {
	word, field, has := strings.Cut(text, ":")
	i := slices.Index(Measures[:], word)
	if i < 0 {
		return 0, "", fmt.Errorf("unknown measure %q, choose from %s", word, measureForms())
	}
	m = Measure(i)
	switch {
	case has && !m.OfField():
		return 0, "", fmt.Errorf("measure %s takes no field, got %q", word, text)
	case !m.OfField():
		return m, "", nil
	case !has:
		return 0, "", fmt.Errorf("measure %s needs a field, like %s:%s", word, word, m.example())
	}
	f := FindField(field)
	if f == nil {
		return 0, "", fmt.Errorf("measure %s: unknown field %q, choose from %s", word, field, m.fields())
	}
	if !m.takes(f) {
		return 0, "", fmt.Errorf("measure %s: %s is not a number (its kind: %s), choose from %s", word, field, f.Kind, m.fields())
	}
	return m, field, nil
}

// takes reports whether f can be measured so.
func (m Measure) takes(f *Field) bool {
	return m == Distinct || f.Kind == Number && f.bin == 0
}

func (m Measure) example() string {
	if m == Distinct {
		return "client"
	}
	return "size"
}

// fields lists those that can be measured so.
func (m Measure) fields() string {
	var names []string
	for i := range Fields {
		if m.takes(&Fields[i]) {
			names = append(names, Fields[i].Name)
		}
	}
	return strings.Join(names, ", ")
}

// measureForms lists the measures as they are written.
func measureForms() string {
	var forms []string
	for i, word := range Measures {
		if m := Measure(i); m.OfField() {
			word += ":" + m.example()
		}
		forms = append(forms, word)
	}
	return strings.Join(forms, ", ")
}

// A dim is a field with its place in the values of an event.
type dim struct {
	*Field
	slot int
	// Of a field of QNAMEs, its place among what the window keeps of each name,
	// else -1.
	derived int
}

// value is a field of an event, made once however many reducers ask.
type value struct {
	event uint32 // ordinal of the event it belongs to
	n     uint32
	ok    bool
	hash  hashed
}

// value returns a number, or of octets the interner's.
func (e *Event) value(d dim) (uint32, bool) {
	v := &e.values[d.slot]
	if v.event == e.ordinal {
		return v.n, v.ok
	}
	v.event = e.ordinal
	// What a QNAME alone tells is found out once for each name of a window, if it
	// has a number.
	if name := &e.values[qnameSlot]; d.derived >= 0 && name.event == e.ordinal && name.ok {
		v.n, v.ok = e.names.derive(name.n, d.derived, func() (uint32, bool) { return e.make(d) })
		return v.n, v.ok
	}
	v.n, v.ok = e.make(d)
	return v.n, v.ok
}

// make makes a value.
func (e *Event) make(d dim) (n uint32, ok bool) {
	switch {
	case d.number != nil:
		if n, ok = d.number(e); d.bin > 0 {
			n /= d.bin
		}
	case d.text != nil:
		var b []byte
		if b, ok = d.text(e); ok {
			n = e.names.id(b)
		}
	default:
		var p netip.Prefix
		if p, ok = d.addr(e); ok {
			e.raw = d.appendAddr(e.raw[:0], p, e.anon)
			n = e.names.id(e.raw)
		}
	}
	if !ok && d.absent != "" {
		return absentValue, true
	}
	return n, ok
}

// A declared reducer counts or measures by up to three dimensions.
type declared struct {
	by      []dim
	measure Measure
	of      dim // what is measured
	style   Style
	params  Params
	asTop   bool // as pairs, of one dimension
	table   *table
	small   *smallTable // in place of table, where keys are small numbers
	// sketches are those of the table's rows, and empty ones.
	sketches []report.Sketch
	keyless  uint64
	// For reports.
	rankings    [maxDims]keyOrder
	rows, spare []rankedRow
	starts      []int32
	places      []int32
	scores      []uint64
	written     []byte // data and state
}

// newDeclared compiles an entry for the windows of a group.
func (g *Group) newDeclared(u *Use, names *interner) Reducer {
	e := u.Entry
	d := &declared{measure: e.Measure, params: u.Params, asTop: e.AsTop, style: Style{Mnemonics: u.Mnemonics}}
	for _, name := range e.By {
		if name == "client_subnet" {
			name = u.subnetField()
		}
		d.by = append(d.by, g.dim(name))
	}
	if d.params.Top == 0 {
		d.params.Top = e.Top
	}
	if e.Measure.OfField() {
		d.of = g.dim(e.OfField)
	}
	if len(d.by) == 1 && d.by[0].small && e.Measure.added() {
		d.small = new(smallTable)
		return d
	}
	fields := make([]*Field, len(d.by))
	for i := range d.by {
		fields[i] = d.by[i].Field
	}
	keys := d.params.maxKeys()
	if d.measure.sketched() {
		keys = d.params.sketchKeys()
	}
	d.table = newTable(names, fields, max(keys, 1))
	return d
}

// A smallTable counts by numbers below 65,536, of which few occur.
type smallTable struct {
	pages [256]*[256]uint64
	other uint64 // absentValue
}

func (s *smallTable) add(n uint32, by uint64) {
	if n == absentValue {
		s.other += by
		return
	}
	p := s.pages[n>>8&255]
	if p == nil {
		p = new([256]uint64)
		s.pages[n>>8&255] = p
	}
	p[n&255] += by
}

func (d *declared) Add(e *Event) {
	if d.measure.sketched() {
		d.addSketched(e)
		return
	}
	n := uint64(1)
	if d.measure.OfField() {
		v, ok := e.value(d.of)
		if !ok || v == absentValue {
			d.keyless++
			return
		}
		n = uint64(v)
	}
	if d.small != nil {
		v, ok := e.value(d.by[0])
		if !ok {
			d.keyless++
			return
		}
		d.small.add(v, n)
		return
	}
	var k key
	for i, dim := range d.by {
		v, ok := e.value(dim)
		if !ok {
			d.keyless++
			return
		}
		k[i] = v
	}
	d.put(&k, n)
}

// put measures n at k.
func (d *declared) put(k *key, n uint64) {
	if d.measure.added() {
		d.table.add(k, n)
		return
	}
	_, known := d.table.index.get(k)
	r := d.table.row(k)
	switch {
	case r == nil:
		d.table.left++
	case !known, d.measure == Min && n < r.n, d.measure == Max && n > r.n:
		r.n = n
	}
}

func (d *declared) Merge(other Reducer) {
	o := other.(*declared)
	d.keyless += o.keyless
	switch {
	case d.small != nil:
		d.small.other += o.small.other
		for i, p := range o.small.pages {
			for j := 0; p != nil && j < len(p); j++ {
				if p[j] > 0 {
					d.small.add(uint32(i<<8|j), p[j])
				}
			}
		}
	case d.measure.sketched():
		d.mergeSketched(o)
	case d.measure.added():
		d.table.merge(o.table)
	default:
		d.table.left += o.table.left
		for _, r := range o.table.rows {
			k := d.table.translate(r.key, o.table)
			d.put(&k, r.n)
		}
	}
}

func (d *declared) Reset() {
	d.keyless = 0
	switch {
	case d.small != nil:
		*d.small = smallTable{}
	case d.measure.sketched():
		d.resetSketched()
	default:
		d.table.reset()
	}
}

package reduce

import (
	"fmt"
	"slices"
	"strings"
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
		return 0, "", fmt.Errorf("%s takes no field, got %q", word, text)
	case !m.OfField():
		return m, "", nil
	case !has:
		return 0, "", fmt.Errorf("%s needs a field, like %s:%s", word, word, m.example())
	}
	f := FindField(field)
	if f == nil {
		return 0, "", fmt.Errorf("%s: unknown field %q, choose from %s", word, field, m.fields())
	}
	if !m.takes(f) {
		return 0, "", fmt.Errorf("%s: %s is not a number (its kind: %s), choose from %s", word, field, f.Kind, m.fields())
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

// A declared reducer counts or measures by up to three dimensions.
type declared struct {
	*tally
	of     dim // what is measured
	style  Style
	params Params
	asTop  bool // as pairs, of one dimension
}

// newDeclared compiles a use for a window. Where another counts the same, it is
// that one's tally.
func (g *Group) newDeclared(u *groupUse, w *Window) Reducer {
	e := u.Entry
	d := &declared{params: u.Params, asTop: e.AsTop, style: Style{Mnemonics: u.Mnemonics}}
	if d.params.Top == 0 {
		d.params.Top = e.Top
	}
	if e.Measure.OfField() {
		d.of = g.dim(e.OfField)
	}
	if u.like != none {
		d.tally = w.reducers[u.like].(*declared).tally
		d.share()
		return d
	}
	var by []dim
	for _, name := range u.by() {
		by = append(by, g.dim(name))
	}
	d.tally = w.newTally(by, e.Measure, u.keys())
	return d
}

// by are the dimensions of a use.
func (u *Use) by() []string {
	by := slices.Clone(u.Entry.By)
	for i, name := range by {
		if name == "client_subnet" {
			by[i] = u.subnetField()
		}
	}
	return by
}

// keys is how many of a use are counted exactly.
func (u *Use) keys() int {
	if u.Entry.Measure.sketched() {
		return max(u.sketchKeys(), 1)
	}
	return max(u.maxKeys(), 1)
}

// A likeness is what uses have in common that keep the same, and write keys alike. It
// is zero where nobody else can have what the reducer keeps.
type likeness struct {
	keeps           string
	of              Scope
	filter, ofField string
	measure         Measure
	by, filters     string
	keys, samples   int
	mnemonics       bool
}

func (u *groupUse) likeness() (k likeness) {
	e := u.Entry
	switch {
	case e.declared():
		k.keeps = "a tally"
	case e.keeps != "":
		k.keeps, k.samples = e.keeps, u.Samples
	default:
		return k
	}
	k.of, k.filter, k.measure, k.ofField = e.Of, e.Filter, e.Measure, e.OfField
	k.by, k.filters = strings.Join(u.by(), " "), fmt.Sprint(u.filters)
	k.keys, k.mnemonics = u.keys(), u.Mnemonics
	return k
}

// keyOf is the key of e, if it has one.
func (t *tally) keyOf(e *Event) (k key, ok bool) {
	for i, dim := range t.by {
		if k[i], ok = e.value(dim); !ok {
			return k, false
		}
	}
	return k, true
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
	k, ok := d.keyOf(e)
	if !ok {
		d.keyless++
		return
	}
	d.put(&k, n)
}

// addAll is Add for some events of a batch, with what most reducers do decided
// once.
func (d *declared) addAll(c *common, of set) {
	switch {
	case d.measure <= Rate && len(d.by) == 1:
		column := c.column(d.by[0], of)
		d.keyless += uint64((of &^ column.there).len())
		for of &= column.there; of != 0; {
			if n := column.numbers[of.take()]; d.table != nil || !d.counts.again(n) {
				d.add(&key{n}, 1)
			}
		}
	case d.measure <= Rate && len(d.by) > 1:
		d.keyless += d.keysOf(c, of)
		d.table.addAll(d.keys)
	case d.measure == Distinct && len(d.by) == 0:
		d.addOnce(c, of)
	default:
		for of != 0 {
			d.Add(c.batch[of.take()])
		}
	}
}

// keysOf makes keys those of some events, and returns how many have none.
func (t *tally) keysOf(c *common, of set) (keyless uint64) {
	var columns [maxDims]*column
	there := of
	for i, dim := range t.by {
		columns[i] = c.column(dim, there)
		there &= columns[i].there
	}
	t.keys = t.keys[:0]
	for left := there; left != 0; {
		at := left.take()
		var k key
		for i, column := range columns[:len(t.by)] {
			k[i] = column.numbers[at]
		}
		t.keys = append(t.keys, k)
	}
	return uint64((of &^ there).len())
}

func (d *declared) Merge(other Reducer) { d.merge(other.(tallied).tallies()) }

func (d *declared) Reset() { d.reset() }

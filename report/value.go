package report

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
)

// A Shape tells how two values merge.
type Shape string

// The shapes.
const (
	Count     Shape = "count"     // a number, or named numbers: added
	Rate      Shape = "rate"      // named numbers per second: their counts are added
	TableOf   Shape = "table"     // numbers by key, perhaps nested: added key by key
	Top       Shape = "top"       // the largest of a table, as pairs
	Min       Shape = "min"       // a number, or named numbers: the least
	Max       Shape = "max"       // likewise the greatest
	Distinct  Shape = "distinct"  // a cardinality, by a sketch in state
	Quantiles Shape = "quantiles" // named quantiles, by a sketch in state
	ListOf    Shape = "list"      // lists, perhaps by key, joined; numbers among them added
)

// Shapes lists them in the order of the documentation.
var Shapes = []Shape{Count, Rate, TableOf, Top, Min, Max, Distinct, Quantiles, ListOf}

func (s Shape) known() bool { return slices.Contains(Shapes, s) }

// Keys that tell what a table left out: how many keys, and the sum of their
// counts.
const (
	SkippedKey    = "-:SKIPPED:-"
	SkippedSumKey = "-:SKIPPED_SUM:-"
)

// Bounds of a merged value: what goes beyond is counted.
const (
	maxDepth = 16
	maxItems = 10_000  // of one list
	maxKeys  = 100_000 // of one table
)

// A Value is the merged data of reports of one type. The zero Value is empty.
type Value struct {
	shape   Shape
	root    *node
	n       int    // pairs in the longest data of a top
	cut     int    // the same of those that leave pairs out, which tells how many are wanted
	skipped uint64 // items and keys left out by the bounds
	nothing bool   // all reports so far had no data
	// sketches are how many the value has.
	sketches int
}

// A node is a number, a list of anything, a sketch, or members by key; or null.
type node struct {
	num     float64
	isNum   bool
	list    []json.RawMessage
	isList  bool
	members map[string]*node
	sketch  Sketch
}

// errForm says that data do not have the form of their shape.
var errForm = errors.New("data do not have the form of their shape")

// Shape is that of the reports merged so far.
func (v *Value) Shape() Shape { return v.shape }

// Skipped is what the bounds left out of the merged value.
func (v *Value) Skipped() uint64 { return v.skipped }

// Merge adds the data of r. An error leaves v as it was.
func (v *Value) Merge(r *Report) error {
	if r.Nothing() && v.root != nil {
		return nil
	}
	if v.shape != "" && v.shape != r.Shape && !v.nothing {
		return fmt.Errorf("%w: %s after %s", ErrShape, r.Shape, v.shape)
	}
	n, pairs, err := parseData(r)
	if err != nil {
		return err
	}
	v.shape, v.n = r.Shape, max(v.n, pairs)
	if r.State != nil {
		v.cut = max(v.cut, pairs)
	}
	if v.root == nil || v.nothing {
		v.root = &node{}
	}
	v.nothing = r.Nothing()
	v.merge(v.root, n)
	return nil
}

// parseData reads a report's state, or its data where there is none, into what
// is added up: of a rate the counts, of a top the table.
func parseData(r *Report) (n *node, pairs int, err error) {
	switch r.Shape {
	case Distinct, Quantiles:
		data, err := parseNode(r.Data)
		if err == nil && !data.numbers() {
			err = errForm
		}
		if err == nil {
			n, err = parseSketches(r.Shape, r.State)
		}
		return n, 0, err
	case Top:
		t, count, err := parsePairs(r.Data)
		if err != nil || r.State == nil {
			return t, count, err
		}
		n, err = parseNode(r.State)
		if err == nil && (n.isNum || !n.numbers() || len(n.members) > MaxState) {
			err = errForm
		}
		if err == nil && t.keys() > n.keys() {
			t.leave(n)
			n = t
		}
		return n, count, err
	}
	if n, err = parseNode(r.Data); err != nil {
		return nil, 0, err
	}
	if r.State != nil {
		state, err := parseNode(r.State)
		if err != nil {
			return nil, 0, err
		}
		if len(state.members) > MaxState {
			return nil, 0, errForm
		}
		// A long table can show more than a state may hold.
		if r.Shape != TableOf || state.keys() >= n.keys() {
			n = state
		}
	}
	if r.Shape != ListOf && !n.numbers() {
		return nil, 0, errForm
	}
	if r.Shape == Rate {
		if n.isNum {
			return nil, 0, errForm
		}
		seconds := r.Window.Seconds()
		if r.State != nil { // counts already
			seconds = 1
		}
		for _, m := range n.members {
			if m.members != nil {
				return nil, 0, errForm
			}
			m.num = math.Round(m.num * seconds)
		}
	}
	return n, 0, nil
}

// keys counts the members but for those that tell what was left out.
func (n *node) keys() int {
	k := len(n.members)
	for _, left := range []string{SkippedKey, SkippedSumKey} {
		if n.members[left] != nil {
			k--
		}
	}
	return k
}

// leave tells in n what it left out of the whole table, of which state, shorter
// than n, tells the size.
func (n *node) leave(state *node) {
	keys, sum := float64(state.keys()-n.keys()), -n.sum()
	if m := state.members[SkippedKey]; m != nil {
		keys += m.num
	}
	for k, m := range state.members {
		if k != SkippedKey {
			sum += m.sum()
		}
	}
	if keys > 0 {
		n.members[SkippedKey] = &node{isNum: true, num: keys}
		n.members[SkippedSumKey] = &node{isNum: true, num: sum}
	}
}

// parsePairs reads [["key",5],…].
func parsePairs(raw json.RawMessage) (*node, int, error) {
	var pairs [][2]json.RawMessage
	if err := json.Unmarshal(raw, &pairs); err != nil {
		return nil, 0, errForm
	}
	n := &node{members: make(map[string]*node, len(pairs))}
	for _, p := range pairs {
		var key string
		c := node{isNum: true}
		if json.Unmarshal(p[0], &key) != nil || json.Unmarshal(p[1], &c.num) != nil || !sane(c.num) {
			return nil, 0, errForm
		}
		n.members[key] = &c
	}
	return n, len(pairs), nil
}

// maxNumber is more than any count or size of a window; sums of such numbers
// stay exact enough and finite.
const maxNumber = 1e15

func sane(v float64) bool { return v >= -maxNumber && v <= maxNumber }

type kind int

const (
	null kind = iota
	number
	list
	object
	sketched
)

func (n *node) kind() kind {
	switch {
	case n.members != nil:
		return object
	case n.isList:
		return list
	case n.isNum:
		return number
	case n.sketch != nil:
		return sketched
	}
	return null
}

// numbers reports whether n has numbers at its leaves and nothing else.
func (n *node) numbers() bool {
	for _, m := range n.members {
		if !m.numbers() {
			return false
		}
	}
	return !n.isList && n.sketch == nil
}

// merge adds b to a, which becomes the owner of b's parts.
func (v *Value) merge(a, b *node) {
	switch {
	case a.kind() != b.kind() && a.kind() != null && b.kind() != null:
		v.skipped++ // reports of one type that disagree on its form
	case b.members != nil:
		if a.members == nil {
			a.members = make(map[string]*node, len(b.members))
		}
		for k, m := range b.members {
			if old := a.members[k]; old != nil {
				v.merge(old, m)
			} else if count := m.sketchCount(); len(a.members) < maxKeys && v.sketches+count <= maxSketches {
				a.members[k] = m
				v.sketches += count
			} else {
				v.skipped++
			}
		}
	case b.isList:
		a.isList = true
		a.list = append(a.list, b.list...)
		if over := len(a.list) - maxItems; over > 0 {
			// The newest stay: they are what one looks at first.
			a.list = slices.Delete(a.list, 0, over)
			v.skipped += uint64(over)
		}
	case b.sketch != nil && a.sketch == nil:
		a.sketch = b.sketch
	case b.sketch != nil:
		a.sketch.Merge(b.sketch)
	case b.isNum && !a.isNum:
		a.num, a.isNum = b.num, true
	case b.isNum:
		switch v.shape {
		case Min:
			a.num = min(a.num, b.num)
		case Max:
			a.num = max(a.num, b.num)
		default:
			a.num += b.num
		}
	}
}

// AppendData appends the value in the form of a report's data. seconds is the
// time a rate is divided by; top limits the keys of tables and the pairs of a
// top, 0 does not. What is left out is told under SkippedKey.
func (v *Value) AppendData(dst []byte, seconds float64, top int) []byte {
	if v.root == nil {
		return append(dst, "null"...)
	}
	switch v.shape {
	case Top:
		n := top
		if n == 0 {
			n = v.shown()
		}
		return v.root.appendPairs(dst, n)
	case Rate:
		r := node{members: make(map[string]*node, len(v.root.members))}
		for k, m := range v.root.members {
			// Over no time a rate has no value.
			r.members[k] = &node{isNum: m.isNum && seconds > 0, num: m.num / seconds}
		}
		return r.append(dst, 0)
	case ListOf:
		if v.root.isList {
			return (&node{isList: true, list: grouped(v.root.list)}).append(dst, 0)
		}
		top = 0
	}
	return v.root.append(dst, top)
}

// usualTop is how many pairs a top list shows that nobody has said a number of.
const usualTop = 10

// shown is how many pairs of a top are shown: as many as its reports show. One
// that leaves none out tells only that it has no more.
func (v *Value) shown() int {
	if v.cut > 0 {
		return v.cut
	}
	return max(v.n, usualTop)
}

type pair struct {
	key string
	num float64
}

// ranked lists members by count descending, then key ascending.
func (n *node) ranked() []pair {
	pairs := make([]pair, 0, len(n.members))
	for k, m := range n.members {
		if k != SkippedKey && k != SkippedSumKey {
			pairs = append(pairs, pair{k, m.sum()})
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(b.num, a.num), cmp.Compare(a.key, b.key))
	})
	return pairs
}

// sum adds up the numbers under n, or what its sketches are ranked by.
func (n *node) sum() float64 {
	s := n.num
	if n.sketch != nil {
		s = float64(n.sketch.Rank())
	}
	for _, m := range n.members {
		s += m.sum()
	}
	return s
}

func (n *node) appendPairs(dst []byte, top int) []byte {
	dst = append(dst, '[')
	for i, p := range n.ranked() {
		if i == top {
			break
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(append(dst, '['), p.key)
		dst = append(AppendNumber(append(dst, ','), p.num), ']')
	}
	return append(dst, ']')
}

func (n *node) append(dst []byte, top int) []byte {
	switch {
	case n.members != nil:
		return n.appendMembers(dst, top)
	case n.isList:
		dst = append(dst, '[')
		for i, item := range n.list {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, item...)
		}
		return append(dst, ']')
	case n.isNum:
		return AppendNumber(dst, n.num)
	case n.sketch != nil:
		return n.sketch.AppendData(dst)
	}
	return append(dst, "null"...)
}

func (n *node) appendMembers(dst []byte, top int) []byte {
	members := n.members
	if top > 0 && len(members) > top {
		members = n.cut(top)
	}
	dst = append(dst, '{')
	for i, k := range slices.Sorted(maps.Keys(members)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, k), ':')
		dst = members[k].append(dst, top)
	}
	return append(dst, '}')
}

// cut keeps the top members and adds the rest to what was skipped.
func (n *node) cut(top int) map[string]*node {
	pairs := n.ranked()
	if len(pairs) <= top {
		return n.members
	}
	kept := make(map[string]*node, top+2)
	for _, p := range pairs[:top] {
		kept[p.key] = n.members[p.key]
	}
	skipped, sum := float64(len(pairs)-top), 0.0
	for _, p := range pairs[top:] {
		sum += p.num
	}
	for key, more := range map[string]float64{SkippedKey: skipped, SkippedSumKey: sum} {
		if key == SkippedSumKey && n.sketchCount() > 0 {
			continue // what sketches say does not add up
		}
		if old := n.members[key]; old != nil {
			more += old.num
		}
		kept[key] = &node{isNum: true, num: more}
	}
	return kept
}

// AppendCount appends an exact count.
func AppendCount(dst []byte, n uint64) []byte {
	if n < 10 { // as most are
		return append(dst, '0'+byte(n))
	}
	return strconv.AppendUint(dst, n, 10)
}

package report

import (
	"encoding/base64"
	"encoding/json"
	"errors"
)

// A Sketch stands for the values of a reducer whose number has no bound, in
// memory that has one.
//
// Its state is the same octets in whatever order the values came, and however
// they were shared out before their sketches were merged. A report can thus not
// tell how many workers made it.
type Sketch interface {
	// Merge adds the values of o, which is of the same kind.
	Merge(o Sketch)
	// AppendState appends the documented octets of the sketch.
	AppendState(dst []byte) []byte
	// SetState makes the sketch that of octets that AppendState has written, and
	// refuses all others.
	SetState(b []byte) error
	// AppendData appends what the sketch says, as JSON.
	AppendData(dst []byte) []byte
	// Rank is what keys are ranked by, the highest first.
	Rank() uint64
	// Reset empties the sketch and keeps its memory.
	Reset()
}

// NewSketch returns an empty sketch of the shape, or nil where it has none.
func (s Shape) NewSketch() Sketch {
	switch s {
	case Distinct:
		return new(Cardinality)
	case Quantiles:
		return new(Distribution)
	}
	return nil
}

// errSketch says that octets are not the state of a sketch.
var errSketch = errors.New("state is not that of a sketch")

// stateText is how states are written inside JSON: RFC 4648 §4, and no other
// text for the same octets.
var stateText = base64.StdEncoding.Strict()

// AppendSketch appends the state of s as a string of JSON.
func AppendSketch(dst []byte, s Sketch) []byte {
	dst = append(dst, '"')
	dst = stateText.AppendEncode(dst, s.AppendState(nil))
	return append(dst, '"')
}

// SketchText is how many octets AppendSketch appends for a state of so many.
func SketchText(octets int) int { return stateText.EncodedLen(octets) + 2 }

// maxSketches bounds the sketches of a merged value: one has up to 30 kB.
const maxSketches = 2 * MaxState

// parseSketches reads a state of that shape: a sketch, or sketches by key,
// perhaps nested, with the number of keys left out.
func parseSketches(shape Shape, raw json.RawMessage) (*node, error) {
	if !json.Valid(raw) {
		return nil, errForm
	}
	s := scanner{b: raw, sketches: shape}
	n, err := s.node(0)
	if err == nil && (n.kind() == number || !n.countable() || n.keyCount() > MaxState) {
		err = errForm
	}
	return n, err
}

// sketch reads the string at hand.
func (s *scanner) sketch() (*node, error) {
	if s.made++; s.made > MaxState {
		return nil, errForm
	}
	n := &node{sketch: s.sketches.NewSketch()}
	text := s.value()
	b, err := stateText.AppendDecode(nil, text[1:len(text)-1])
	if err != nil {
		return nil, errSketch
	}
	return n, n.sketch.SetState(b)
}

// countable reports whether n has the form of a state of sketches: numbers are
// only those of keys that were left out.
func (n *node) countable() bool {
	for k, m := range n.members {
		if k == SkippedKey && m.kind() != number || k != SkippedKey && m.kind() == number || !m.countable() {
			return false
		}
	}
	return n.kind() != null && !n.isList
}

// sketchCount counts the sketches under n.
func (n *node) sketchCount() int {
	if n.sketch != nil {
		return 1
	}
	count := 0
	for _, m := range n.members {
		count += m.sketchCount()
	}
	return count
}

// keyCount counts the members under n on all levels.
func (n *node) keyCount() int {
	count := len(n.members)
	for _, m := range n.members {
		count += m.keyCount()
	}
	return count
}

// Error bounds the error of any count that the merged sketches make; 0 for
// other shapes, whose reports tell it.
func (v *Value) Error() uint64 {
	if v.root == nil {
		return 0
	}
	return v.root.sketchError()
}

func (n *node) sketchError() (bound uint64) {
	if c, ok := n.sketch.(*Cardinality); ok {
		return c.Error()
	}
	for _, m := range n.members {
		bound = max(bound, m.sketchError())
	}
	return bound
}

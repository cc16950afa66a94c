package reduce

import (
	"errors"
	"slices"
	"strings"

	"go.starlark.net/starlark"
)

// scriptMessage is the m of add(m). One serves all messages; its attributes are
// those of the message that is just added.
type scriptMessage struct {
	e      *Event // nil outside of add
	fields map[string]*scriptField
}

// A scriptField makes the values of one field, and keeps them, since most come
// again: making a string costs more than the rest of a small script.
type scriptField struct {
	dim
	numbers map[uint32]starlark.Value // words of codes and choices
	octets  []scriptOctets            // by the interner's number
}

// scriptOctets is a value with the octets it stands for: numbers are given again
// to other octets once nobody holds them.
type scriptOctets struct {
	raw   string
	value starlark.Value
}

func (g *Group) newScriptMessage(names []string) *scriptMessage {
	m := &scriptMessage{fields: make(map[string]*scriptField)}
	for _, name := range names {
		m.fields[name] = &scriptField{dim: g.dim(name), numbers: make(map[uint32]starlark.Value)}
	}
	return m
}

var errMessageGone = errors.New("m is only good while add(m) runs: keep its fields, not m itself")

// Attr implements [starlark.HasAttrs].
func (m *scriptMessage) Attr(name string) (starlark.Value, error) {
	f := m.fields[name]
	if f == nil {
		return nil, nil // the interpreter tells
	}
	if m.e == nil {
		return nil, errMessageGone
	}
	return f.value(m.e), nil
}

// AttrNames implements [starlark.HasAttrs].
func (m *scriptMessage) AttrNames() []string {
	var names []string
	for i := range Fields {
		if Fields[i].with == nil {
			names = append(names, Fields[i].Name)
		}
	}
	slices.Sort(names)
	return names
}

func (m *scriptMessage) String() string        { return "message" }
func (m *scriptMessage) Type() string          { return "message" }
func (m *scriptMessage) Freeze()               {}
func (m *scriptMessage) Truth() starlark.Bool  { return true }
func (m *scriptMessage) Hash() (uint32, error) { return 0, errMessageGone }

// value is the field of e: None where it has none, a bool for a flag, an int for
// a number, else the text that tables have for keys, codes by their mnemonics.
func (f *scriptField) value(e *Event) starlark.Value {
	n, ok := e.value(f.dim)
	switch {
	case !ok || n == absentValue:
		return starlark.None
	case f.Kind == Flag:
		return starlark.Bool(n != 0)
	case f.Kind == Number && f.bin == 0:
		return starlark.MakeUint64(uint64(n))
	case !f.Kind.octets():
		v := f.numbers[n]
		if v == nil {
			v = starlark.String(f.appendNumber(nil, n, &Style{Mnemonics: true}))
			f.numbers[n] = v
		}
		return v
	}
	if int(n) >= len(f.octets) {
		f.octets = slices.Grow(f.octets, int(n)+1-len(f.octets))[:n+1]
	}
	raw, o := e.names.texts[n], &f.octets[n]
	if o.value == nil || o.raw != raw {
		o.raw = strings.Clone(raw) // the window's octets are used again
		o.value = starlark.String(o.raw)
	}
	return o.value
}

// reset forgets the values of names and addresses. A flood's memory is not kept.
func (m *scriptMessage) reset() {
	for _, f := range m.fields {
		clear(f.octets)
		if len(f.octets) > 4*minInterned {
			f.octets = nil
		}
		f.octets = f.octets[:0]
	}
}

// scriptOther is the other of merge(other): the globals of another worker's run.
type scriptOther struct{ globals starlark.StringDict }

// Attr implements [starlark.HasAttrs].
func (o scriptOther) Attr(name string) (starlark.Value, error) { return o.globals[name], nil }

// AttrNames implements [starlark.HasAttrs].
func (o scriptOther) AttrNames() []string { return o.globals.Keys() }

func (o scriptOther) String() string        { return "other" }
func (o scriptOther) Type() string          { return "other" }
func (o scriptOther) Freeze()               {}
func (o scriptOther) Truth() starlark.Bool  { return true }
func (o scriptOther) Hash() (uint32, error) { return 0, errors.New("other cannot be a key") }

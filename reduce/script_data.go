package reduce

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"go.starlark.net/starlark"

	"ratadns/report"
)

// Bounds of what report() gives back. Its data leave room for the window and a
// state in a report of 8 MiB.
const (
	maxScriptData  = report.MaxReport - 1<<20
	maxScriptDepth = 16 // as deep as values merge
)

// write fills in the report with what report() gave back.
func (s *scripted) write(v starlark.Value, r *report.Report) (err error) {
	top, isTable := v.(*starlark.Dict)
	switch {
	case s.script.shape == report.Top && isTable:
		err = s.writeTop(top, r)
	case s.script.shape == report.Rate:
		err = s.writeRate(v, r)
	default:
		s.data, err = appendScript(s.data[:0], v, 0)
		r.Data = s.data
	}
	if err != nil {
		return fmt.Errorf("%s: report(): %w", s.script.name, err)
	}
	if r.Shape == "" {
		r.Shape = shapeOf(v) // which has been written, so it is not without end
	}
	// Jerry would refuse what it cannot merge, an hour later and elsewhere.
	if err := new(report.Value).Merge(r); err != nil {
		return fmt.Errorf("%s: report(): shape %q: %w", s.script.name, r.Shape, err)
	}
	return nil
}

// shapeOf is the shape of a script that names none: a table of numbers, a number,
// else a list.
func shapeOf(v starlark.Value) report.Shape {
	switch v := v.(type) {
	case *starlark.Dict:
		if numbers(v, 0) {
			return report.TableOf
		}
	case starlark.NoneType, starlark.Int, starlark.Float:
		return report.Count
	}
	return report.ListOf
}

// numbers reports whether v has numbers at its leaves and nothing else.
func numbers(v starlark.Value, depth int) bool {
	switch v := v.(type) {
	case starlark.NoneType, starlark.Int, starlark.Float:
		return true
	case *starlark.Dict:
		for _, x := range v.Entries() {
			if depth >= maxScriptDepth || !numbers(x, depth+1) {
				return false
			}
		}
		return true
	}
	return false
}

// writeTop ranks a table, so that lists of several servers merge by all it has.
func (s *scripted) writeTop(d *starlark.Dict, r *report.Report) error {
	rows := make([]row, 0, d.Len())
	for k, v := range d.Entries() {
		key, ok := starlark.AsString(k)
		n, isInt := v.(starlark.Int)
		count, fits := uint64(0), false
		if isInt {
			count, fits = n.Uint64()
		}
		if !ok || !fits {
			return fmt.Errorf("a top is a dict of counts by string, got %s: %s", k.Type(), v.Type())
		}
		rows = append(rows, row{key, count})
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.key, b.key)) })
	n := shown(rows, cmp.Or(s.params.Top, DefaultTop), s.params.Ties)
	s.data = appendPairs(s.data[:0], rows[:n])
	r.Data = s.data
	if n < len(rows) {
		s.state = appendState(s.state[:0], rows)
		r.State = s.state
	}
	return nil
}

// writeRate divides counts by the window's length.
func (s *scripted) writeRate(v starlark.Value, r *report.Report) error {
	d, ok := v.(*starlark.Dict)
	if !ok {
		return fmt.Errorf("a rate is a dict of counts, which are divided by the window's length, got a %s", v.Type())
	}
	seconds := r.Window.Seconds()
	rates := starlark.NewDict(d.Len())
	for k, v := range d.Entries() {
		n, ok := starlark.AsFloat(v)
		if !ok {
			return fmt.Errorf("a rate is a dict of counts, got a %s", v.Type())
		}
		var rate starlark.Value = starlark.None // over no time there is none
		if seconds > 0 {
			rate = starlark.Float(n / seconds)
		}
		if err := rates.SetKey(k, rate); err != nil {
			return err
		}
	}
	var err error
	if s.data, err = appendScript(s.data[:0], rates, 0); err != nil {
		return err
	}
	r.Data = s.data
	if seconds == 0 {
		s.state, err = appendScript(s.state[:0], d, 0)
		r.State = s.state
	}
	return err
}

var (
	errScriptData  = fmt.Errorf("over %d MiB of data", maxScriptData>>20)
	errScriptDepth = fmt.Errorf("over %d levels, or a list in itself", maxScriptDepth)
	errNotFinite   = errors.New("a number that is not finite")
)

// appendScript appends v as JSON, keys ascending.
func appendScript(dst []byte, v starlark.Value, depth int) ([]byte, error) {
	if depth > maxScriptDepth {
		return dst, errScriptDepth
	}
	if len(dst) > maxScriptData {
		return dst, errScriptData
	}
	var err error
	switch v := v.(type) {
	case starlark.NoneType:
		return append(dst, "null"...), nil
	case starlark.Bool:
		if v {
			return append(dst, "true"...), nil
		}
		return append(dst, "false"...), nil
	case starlark.Int:
		return append(dst, v.String()...), nil
	case starlark.Float:
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return dst, errNotFinite
		}
		return report.AppendNumber(dst, float64(v)), nil
	case starlark.String:
		if dst = report.AppendString(dst, string(v)); len(dst) > maxScriptData {
			err = errScriptData
		}
		return dst, err
	case *starlark.Dict:
		return appendScriptDict(dst, v, depth)
	case starlark.Iterable: // a list, tuple, set or range
		dst = append(dst, '[')
		i := 0
		for x := range starlark.Elements(v) {
			if i++; i > 1 {
				dst = append(dst, ',')
			}
			if dst, err = appendScript(dst, x, depth+1); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	}
	return dst, fmt.Errorf("a %s cannot be reported", v.Type())
}

func appendScriptDict(dst []byte, d *starlark.Dict, depth int) ([]byte, error) {
	type member struct {
		key   string
		value starlark.Value
	}
	members := make([]member, 0, d.Len())
	for k, v := range d.Entries() {
		key, ok := starlark.AsString(k)
		if !ok {
			return dst, fmt.Errorf("keys are strings, got a %s", k.Type())
		}
		members = append(members, member{key, v})
	}
	slices.SortFunc(members, func(a, b member) int { return cmp.Compare(a.key, b.key) })
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendScript(append(report.AppendString(dst, m.key), ':'), m.value, depth+1); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

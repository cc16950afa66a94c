package reduce

import (
	"fmt"

	"go.starlark.net/starlark"

	"ratadns/report"
)

// scripted is a reducer that is a script. An error costs it the message; a
// bound that is passed, of steps or of its state, the rest of the window.
type scripted struct {
	script *Script
	params Params
	thread starlark.Thread
	m      *scriptMessage
	args   starlark.Tuple // of add
	run    *scriptRun     // of this window; nil before its first message

	resting  bool // until the window's end
	skipped  uint64
	failures uint64
	first    error  // of this window
	at       uint64 // place of the message it came with
	added    uint64
	maxState int
	credit   int // steps until the state is measured again

	data, state []byte
}

func (g *Group) newScripted(u *Use) Reducer {
	s := &scripted{script: u.Entry.Script, params: u.Params, m: g.newScriptMessage(u.Entry.Script.fields)}
	s.maxState = maxScriptState / max(u.Workers, 1)
	s.args = starlark.Tuple{s.m}
	return s
}

// begin makes the state of a window, and reports whether there is one.
func (s *scripted) begin(place uint64) bool {
	if s.run == nil && !s.resting {
		s.credit = s.maxState / stepOctets
		var err error
		if s.run, err = s.script.start(&s.thread); err != nil {
			s.fail(s.script.place(err), place)
			s.rest()
		}
	}
	return s.run != nil
}

// rest ends the script's work for the window.
func (s *scripted) rest() { s.resting = true }

func (s *scripted) fail(err error, place uint64) {
	s.failures++
	if s.first == nil || place < s.at {
		s.first, s.at = err, place
	}
}

// call runs a function of the script. An error has its place.
func (s *scripted) call(f starlark.Callable, args starlark.Tuple, steps uint64) (v starlark.Value, err error) {
	defer func() {
		// The interpreter has no panic that we know of. One must not end a monitor.
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: %v", s.script.name, r)
		}
	}()
	t := &s.thread
	t.Steps = 0
	t.SetMaxExecutionSteps(steps)
	if v, err = starlark.Call(t, f, args, nil); err == nil {
		return v, nil
	}
	if t.Steps >= steps {
		t.Uncancel()
		s.rest()
		if eval, ok := err.(*starlark.EvalError); ok {
			eval.Msg = fmt.Sprintf("%s takes more than %d steps", f.Name(), steps)
		}
	}
	return nil, s.script.place(err)
}

func (s *scripted) Add(e *Event) {
	if s.resting || !s.begin(e.Place) {
		s.skipped++
		return
	}
	s.m.e = e
	_, err := s.call(s.run.add, s.args, maxAddSteps)
	s.m.e = nil
	if err != nil {
		s.skipped++
		s.fail(err, e.Place)
	} else {
		s.added++
	}
	if s.credit -= int(s.thread.Steps); s.credit < 0 {
		s.measure(e.Place)
	}
}

// measure lets the script rest when it keeps too much, and else says when to
// measure next. A step makes so few octets that the state is over its bound by
// half at most; the nearer it is, the sooner the next time.
func (s *scripted) measure(place uint64) {
	size := s.run.size(s.maxState)
	if size > s.maxState {
		s.fail(fmt.Errorf("%s: keeps more than %d MiB", s.script.name, s.maxState>>20), place)
		s.rest()
		return
	}
	s.credit = max(s.maxState-size, s.maxState/2) / stepOctets
}

func (s *scripted) Merge(other Reducer) {
	o := other.(*scripted)
	s.skipped += o.skipped
	s.failures += o.failures
	if o.first != nil && (s.first == nil || o.at < s.at) {
		s.first, s.at = o.first, o.at
	}
	if o.run == nil { // also of messages that all failed, what they changed stays
		return
	}
	if s.run == nil {
		s.run, s.added, o.run = o.run, o.added, nil
		return
	}
	_, err := s.call(s.run.merge, starlark.Tuple{scriptOther{o.run.globals}}, maxReportSteps)
	if err != nil {
		s.skipped += o.added
		s.fail(err, s.at)
		return
	}
	s.added += o.added
}

func (s *scripted) Report(r *report.Report) {
	r.Data, r.Shape = []byte("null"), s.script.shape
	if s.begin(0) {
		v, err := s.call(s.run.report, nil, maxReportSteps)
		if err == nil {
			err = s.write(v, r)
		}
		if err != nil {
			s.fail(err, s.at)
			r.Data, r.State = []byte("null"), nil
		}
	}
	if r.Shape == "" {
		r.Shape = report.Count
	}
	r.Window.Skipped += s.skipped
	if s.failures > 0 {
		s.script.Log.Warn("script failed", "type", r.Type, "server", r.ServerID,
			"window", string(report.AppendTime(nil, r.Window.Start)), "count", s.failures, "skipped", s.skipped, "err", s.first)
	}
}

func (s *scripted) Reset() {
	s.run, s.resting, s.first = nil, false, nil
	s.skipped, s.failures, s.added, s.at = 0, 0, 0, 0
	s.m.reset()
}

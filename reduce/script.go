package reduce

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"ratadns/report"
)

// A Script is a reducer that somebody wrote in Starlark, checked and compiled.
// Its functions are add(m), report() and perhaps merge(other); what it keeps
// between messages are its globals, made afresh for each window by running the
// top level again. Starlark gives no way to a file, a clock or chance, and what
// it does not bound itself, steps aside, is bounded in script_guard.go.
type Script struct {
	Log    *slog.Logger // of errors while it runs, at most a line for each window
	name   string
	prog   *starlark.Program
	of     Scope
	shape  report.Shape // empty: by the value
	fields []string     // of messages, that it names
	merges bool
}

// Bounds of a script. A script that counts takes 10 to 100 steps a message.
const (
	maxScript      = 64 << 10   // octets of its text
	maxAddSteps    = 20_000     // of one message
	maxReportSteps = 20_000_000 // of the top level, of merge and of report: about a second
	maxScriptState = 64 << 20   // octets, about, that all workers keep of one window
)

var scriptOptions = &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true}

// NewScript compiles a script. An error tells file, line and column, as name
// has it.
func NewScript(name string, src []byte) (*Script, error) {
	if len(src) > maxScript {
		return nil, fmt.Errorf("%s: a script has at most %d octets, got %d", name, maxScript, len(src))
	}
	s := &Script{name: name, Log: slog.New(slog.DiscardHandler)}
	file, err := scriptOptions.Parse(name, src, 0)
	if err != nil {
		return nil, s.place(err)
	}
	g := guarder{fields: make(map[string]bool)}
	if err := g.file(file); err != nil {
		return nil, err
	}
	for i := range Fields {
		if g.fields[Fields[i].Name] {
			s.fields = append(s.fields, Fields[i].Name)
		}
	}
	if s.prog, err = starlark.FileProgram(file, func(name string) bool { return guards[name] != nil }); err != nil {
		return nil, s.place(err)
	}
	run, err := s.start(new(starlark.Thread))
	if err != nil {
		return nil, s.place(err)
	}
	return s, s.declare(run)
}

// place puts the place first in an error of the parser, the resolver or the
// interpreter.
func (s *Script) place(err error) error {
	var parse syntax.Error
	var names resolve.ErrorList
	var eval *starlark.EvalError
	switch {
	case errors.As(err, &names) && len(names) > 0:
		return fmt.Errorf("%s: %s", names[0].Pos, names[0].Msg)
	case errors.As(err, &parse):
		return fmt.Errorf("%s: %s", parse.Pos, parse.Msg)
	case errors.As(err, &eval):
		// The innermost call of the script's own, not the operator it failed in.
		for i := range eval.CallStack {
			if pos := eval.CallStack.At(i).Pos; pos.Filename() == s.name {
				return fmt.Errorf("%s: %s", pos, eval.Msg)
			}
		}
	}
	return fmt.Errorf("%s: %w", s.name, err)
}

// A scriptRun is what a script is in one window at one worker.
type scriptRun struct {
	globals            starlark.StringDict
	add, report, merge starlark.Callable
}

// start runs the top level.
func (s *Script) start(thread *starlark.Thread) (*scriptRun, error) {
	thread.Steps = 0
	thread.Uncancel()
	thread.SetMaxExecutionSteps(maxReportSteps)
	globals, err := s.prog.Init(thread, guards)
	if err != nil {
		return nil, err
	}
	run := &scriptRun{globals: globals}
	run.add, _ = globals["add"].(starlark.Callable)
	run.report, _ = globals["report"].(starlark.Callable)
	run.merge, _ = globals["merge"].(starlark.Callable)
	return run, nil
}

// scriptScopes are what a script may ask for by its global of.
var scriptScopes = map[string]Scope{
	"messages": Messages, "queries": Queries, "responses": Responses, "transactions": Transactions,
}

// scriptShapes are those that a script can give: sketches it has none.
var scriptShapes = []report.Shape{
	report.Count, report.Rate, report.TableOf, report.Top, report.Min, report.Max, report.ListOf,
}

// declare takes what the script's globals say of it.
func (s *Script) declare(run *scriptRun) error {
	for _, f := range []struct {
		name   string
		params int
		form   string
		must   bool
	}{{"add", 1, "add(m)", true}, {"report", 0, "report()", true}, {"merge", 1, "merge(other)", false}} {
		v, ok := run.globals[f.name]
		if !ok && !f.must {
			continue
		}
		fn, isFunction := v.(*starlark.Function)
		switch {
		case !ok:
			return fmt.Errorf("%s:1:1: %s is missing: a script defines add(m) and report()", s.name, f.form)
		case !isFunction:
			return fmt.Errorf("%s:1:1: %s must be a function, not a %s", s.name, f.form, v.Type())
		case fn.NumParams() != f.params || fn.HasVarargs() || fn.HasKwargs():
			return fmt.Errorf("%s: %s takes %d parameters, want %s", fn.Position(), f.name, fn.NumParams(), f.form)
		}
	}
	s.merges = run.merge != nil
	word := func(name string) (string, bool, error) {
		v, ok := run.globals[name]
		if !ok {
			return "", false, nil
		}
		text, ok := starlark.AsString(v)
		if !ok {
			return "", false, fmt.Errorf("%s:1:1: %s must be a string, got a %s", s.name, name, v.Type())
		}
		return text, true, nil
	}
	s.of = Messages
	of, ok, err := word("of")
	if err != nil {
		return err
	}
	if ok {
		if s.of = scriptScopes[of]; s.of == 0 {
			return fmt.Errorf(`%s:1:1: of must be "queries", "responses", "messages" or "transactions", got %q`, s.name, of)
		}
	}
	shape, ok, err := word("shape")
	if err != nil || !ok {
		return err
	}
	if s.shape = report.Shape(shape); !slices.Contains(scriptShapes, s.shape) {
		var words []string
		for _, w := range scriptShapes {
			words = append(words, string(w))
		}
		return fmt.Errorf("%s:1:1: shape must be one of %s, got %q", s.name, strings.Join(words, ", "), shape)
	}
	return nil
}

// Merges reports whether the script has merge(other), and so several workers
// can share its work.
func (s *Script) Merges() bool { return s.merges }

// Entry is the script as a reducer of that name.
func (s *Script) Entry(name string) *Entry {
	e := &Entry{Name: name, Doc: s.name, Of: s.of, Script: s}
	if s.shape == report.Top {
		e.Takes = []string{"n", "top", "ties"}
	}
	return e
}

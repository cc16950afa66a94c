package reduce

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
)

// Limits of an expression. They keep what it costs per message within what its
// length says: there are no loops but over the parts of one text.
const (
	maxWhere      = 16 << 10 // octets
	maxWhereNodes = 2000     // words, numbers, operators
	maxVMNodes    = 500      // of them where the VM has to run
	maxPattern    = 1000     // instructions of a regular expression
)

// A Where selects events by an expression over [Fields]. It is checked in full
// when it is compiled, and safe for concurrent use.
type Where struct {
	text   string
	root   *cond
	match  func(e *Event) bool
	fields []*Field
}

// A WhereError says where in the expression the error is, both from 1; columns
// are characters.
type WhereError struct {
	Line, Column int
	Message      string
}

func (e *WhereError) Error() string {
	return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Message)
}

// CompileWhere reads an expression. Its error is a [*WhereError].
//
// Comparisons of fields with constants and what and, or, not make of them become
// closures; what else the language has runs on a virtual machine.
func CompileWhere(text string) (*Where, error) {
	if len(text) > maxWhere {
		return nil, &WhereError{1, 1, fmt.Sprintf("an expression has %d octets at most, this one %d", maxWhere, len(text))}
	}
	if i := invalidUTF8(text); i >= 0 {
		return nil, whereError(text, utf8.RuneCountInString(text[:i]), "not UTF-8; octets of names are written \\\\DDD")
	}
	if strings.TrimSpace(text) == "" {
		return nil, &WhereError{1, 1, `the expression is empty; qtype == "A" is one`}
	}
	cfg := conf.CreateNew()
	cfg.MaxNodes = maxWhereNodes
	tree, err := parser.ParseWithConfig(text, cfg)
	if err != nil {
		return nil, foreignError(text, err)
	}
	ast.Walk(&tree.Node, fieldCalls{})
	var l lowering
	root, err := l.cond(tree.Node)
	if err == nil {
		err = root.compilePrograms()
	}
	if err != nil {
		var at *placedError
		if errors.As(err, &at) {
			return nil, whereError(text, at.from, at.message)
		}
		return nil, foreignError(text, err)
	}
	return &Where{text: text, root: root, match: root.closure(), fields: l.all}, nil
}

// String is the expression.
func (w *Where) String() string { return w.text }

// Fields are those that the expression uses.
func (w *Where) Fields() []*Field { return w.fields }

// Match reports whether the expression holds of e. What fails, as a division by
// zero does, selects nothing; the window counts it.
func (w *Where) Match(e *Event) bool {
	e.failure = nil
	return w.match(e) && e.failure == nil
}

// Suits says why the expression makes no sense of events of that scope, if so.
func (w *Where) Suits(s Scope) error {
	for _, f := range w.fields {
		if err := f.suits(s); err != nil {
			return err
		}
	}
	return nil
}

// suits says why events of that scope never have the field, if so.
func (f *Field) suits(s Scope) error {
	of := s
	if s&Complete != 0 {
		of |= Responses
	}
	if s&Overdue != 0 {
		of |= Queries
	}
	if f.Of == 0 || f.Of&of != 0 {
		return nil
	}
	return fmt.Errorf("%s is of %s, not of %s", f.Name, f.Of.Word(), s.Word())
}

// A placedError is an error at a character of the expression, counted from 0.
type placedError struct {
	from    int
	message string
}

func (e *placedError) Error() string { return e.message }

func placed(from int, format string, args ...any) error {
	return &placedError{from, fmt.Sprintf(format, args...)}
}

func whereError(text string, from int, message string) *WhereError {
	e := &WhereError{Line: 1, Column: 1, Message: message}
	for _, r := range text {
		if from--; from < 0 {
			break
		}
		if e.Column++; r == '\n' {
			e.Line, e.Column = e.Line+1, 1
		}
	}
	return e
}

// foreignError is an error of the parser or the checker in the form of ours.
func foreignError(text string, err error) error {
	var at *file.Error
	if !errors.As(err, &at) {
		return &WhereError{1, 1, err.Error()}
	}
	message := at.Message
	switch {
	case strings.Contains(message, "exceeds maximum allowed nodes"):
		message = fmt.Sprintf("the expression has more than %d words, numbers and operators", maxWhereNodes)
	case strings.Contains(message, "unexpected token EOF"), strings.Contains(message, "unexpected end"):
		message = "the expression ends too early"
	case strings.HasPrefix(message, "unexpected token"):
		message = strings.Replace(message, "unexpected token ", "not expected here: ", 1)
	}
	return whereError(text, at.From, message)
}

func invalidUTF8(s string) int {
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			return i
		}
	}
	return -1
}

// fieldByWord is the field of that name; the error says which would do.
func fieldByWord(word string) (*Field, error) {
	if f := FindField(word); f != nil {
		return f, nil
	}
	best, least := "", len(word)/2+1
	for i := range Fields {
		if d := distance(strings.ToLower(word), Fields[i].Name); d < least {
			best, least = Fields[i].Name, d
		}
	}
	if best != "" {
		return nil, fmt.Errorf("unknown field %q, there is %s", word, best)
	}
	names := make([]string, len(Fields))
	for i := range Fields {
		names[i] = Fields[i].Name
	}
	slices.Sort(names)
	return nil, fmt.Errorf("unknown field %q, there are %s", word, strings.Join(names, ", "))
}

// distance is how many characters to add, drop or change make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

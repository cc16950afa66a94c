package reduce

import (
	"fmt"
	"slices"
	"strings"
)

// scopeWords are the words of what a question may be about.
var scopeWords = []struct {
	word  string
	scope Scope
}{{"messages", Messages}, {"queries", Queries}, {"responses", Responses}, {"transactions", Transactions}}

// ParseDimensions checks that there are fields of those names, no more than a
// table has and none twice, which the events of a scope have.
func ParseDimensions(names []string, of Scope) error {
	if len(names) > maxDims {
		return fmt.Errorf("at most %d dimensions, got %d", maxDims, len(names))
	}
	for i, name := range names {
		f := FindField(name)
		if f == nil {
			return unknownField("dimension", name, func(*Field) bool { return true })
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("dimension %q is there twice", name)
		}
		if err := f.check(of); err != nil {
			return err
		}
	}
	return nil
}

// CheckMeasured checks that there is a field of that name which can be measured
// so, and which the events of a scope have.
func CheckMeasured(m Measure, name string, of Scope) error {
	f := FindField(name)
	if f == nil || !m.takes(f) {
		return unknownField("number", name, m.takes)
	}
	return f.check(of)
}

// check reports an error where no event of a scope has the field.
func (f *Field) check(of Scope) error {
	if of&Complete != 0 {
		of |= Responses // which completes it
	}
	if f.Of == 0 || f.Of&of != 0 {
		return nil
	}
	for _, s := range slices.Backward(scopeWords) { // the widest is the first
		if s.scope&f.Of == f.Of {
			return fmt.Errorf("%q is known of %s only", f.Name, s.word)
		}
	}
	return fmt.Errorf("%q is known of %s only", f.Name, f.Of.Word())
}

// inQuestion are the fields that a message's header, question and flow have. The
// others need the whole of it, as EDNS and all that may be malformed do.
var inQuestion = map[string]bool{
	"qname": true, "qtype": true, "qclass": true, "opcode": true, "id": true,
	"qr": true, "aa": true, "tc": true, "rd": true, "ra": true, "z": true, "ad": true, "cd": true,
	"size": true, "questions": true, "answers": true, "authorities": true, "additionals": true,
	"labels": true, "qname_length": true, "transport": true, "ip_version": true,
	"client": true, "server": true, "client_port": true, "server_port": true,
	"latency": true, "retransmissions": true,
}

// OnlyQuestions reports whether the reducer looks at nothing behind the question
// of a message.
func (e *Entry) OnlyQuestions() bool {
	if e.New != nil || e.newShared != nil || e.Where != nil || e.Filter != "" || e.Measure.OfField() && !inQuestion[e.OfField] {
		return false
	}
	return !slices.ContainsFunc(e.By, func(name string) bool { return !inQuestion[name] })
}

// OnlyQuestions reports whether the expression looks at nothing behind the
// question of a message. None does not.
func (w *Where) OnlyQuestions() bool {
	return w == nil || !slices.ContainsFunc(w.fields, func(f *Field) bool { return !inQuestion[f.Name] })
}

// OnlyMessages reports whether the reducer looks at messages alone, and not at
// whose they are.
func (e *Entry) OnlyMessages() bool {
	ofSide := func(name string) bool {
		return strings.HasPrefix(name, "client") || strings.HasPrefix(name, "server")
	}
	return e.OnlyQuestions() && e.Of&Transactions == 0 && !ofSide(e.OfField) && !slices.ContainsFunc(e.By, ofSide)
}

// An UnknownFieldError names what is wrong, and what would do.
type UnknownFieldError struct {
	what, name string
	near       string   // or empty
	Names      []string // that would do
}

func (e *UnknownFieldError) Error() string {
	if e.near != "" {
		return fmt.Sprintf("unknown %s %q, there is %s", e.what, e.name, e.near)
	}
	return fmt.Sprintf("unknown %s %q", e.what, e.name)
}

func unknownField(what, name string, would func(*Field) bool) error {
	e := &UnknownFieldError{what: what, name: name}
	least := 3 // edits, beyond which it is another word
	for i := range Fields {
		f := &Fields[i]
		if !would(f) {
			continue
		}
		e.Names = append(e.Names, f.Name)
		if n := edits(strings.ToLower(name), f.Name); n < least && n < len(f.Name) {
			least, e.near = n, f.Name
		}
	}
	return e
}

// edits is how many octets have to be put in, taken out or changed to make b of
// a (Levenshtein, 1966).
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			n := diagonal
			if a[i] != b[j] {
				n++
			}
			diagonal = row[j+1]
			row[j+1] = min(n, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

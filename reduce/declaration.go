package reduce

import (
	"fmt"
	"slices"
)

// A Declaration is a reducer of someone's own, in the words of the
// configuration. What is empty has its default.
type Declaration struct {
	Name    string
	Of      string   // queries, responses, messages, transactions; default: messages
	By      []string // up to three dimensions
	Measure string   // default: count
	Top     int      // keys shown, or 0
	Listed  bool     // the messages themselves in place of a measure
}

// A DeclarationError is an error of a member, of which a list's has a place.
type DeclarationError struct {
	Member string
	Place  int
	Err    error
}

func (e *DeclarationError) Error() string { return e.Member + ": " + e.Err.Error() }
func (e *DeclarationError) Unwrap() error { return e.Err }

// Declare makes the entry of a declaration. Its error is a [*DeclarationError].
func Declare(d Declaration) (*Entry, error) {
	wrong := func(member, format string, args ...any) (*Entry, error) {
		return nil, &DeclarationError{Member: member, Err: fmt.Errorf(format, args...)}
	}
	e := &Entry{Name: d.Name, Doc: "declared", Of: Messages, By: d.By, Top: d.Top}
	if d.Of != "" {
		var err error
		if e.Of, err = ParseScope(d.Of); err != nil {
			return nil, &DeclarationError{Member: "of", Err: err}
		}
	}
	if d.Listed {
		switch {
		case d.Measure != "":
			return wrong("measure", "means nothing to a list of messages, which samples makes; leave out one")
		case len(d.By) > 0:
			return wrong("by", "means nothing to a list of messages, which samples makes; leave out one")
		case d.Top > 0:
			return wrong("top", "means nothing to a list of messages, which samples makes; leave out one")
		}
		e.Takes, e.New = takesSamples, newIdentity
		return e, nil
	}
	if len(d.By) > maxDims {
		return wrong("by", "a reducer has %d dimensions at most, got %d", maxDims, len(d.By))
	}
	for i, name := range d.By {
		f, err := fieldByWord(name)
		switch {
		case err != nil:
		case slices.Contains(d.By[:i], name):
			err = fmt.Errorf("%s is there twice", name)
		default:
			err = f.suits(e.Of)
		}
		if err != nil {
			return nil, &DeclarationError{"by", i, err}
		}
	}
	if d.Measure != "" {
		var err error
		if e.Measure, e.OfField, err = ParseMeasure(d.Measure); err == nil && e.OfField != "" {
			err = FindField(e.OfField).suits(e.Of)
		}
		if err != nil {
			return nil, &DeclarationError{Member: "measure", Err: err}
		}
	}
	switch {
	case e.Measure == Rate && len(d.By) > 1:
		return wrong("by", "rate goes by one dimension at most, got %d; count would do", len(d.By))
	case d.Top > 0 && len(d.By) == 0:
		return wrong("top", "means nothing without a dimension; by: [qname] would do")
	case d.Top > 0 && e.Measure == Rate:
		return wrong("top", "means nothing to a rate; count would do")
	}
	// Pairs merge by adding, which the largest and the smallest do not.
	e.AsTop = d.Top > 0 && len(d.By) == 1 && (e.Measure == Count || e.Measure == Sum)
	return e, nil
}

// ParseScope reads a scope by its word in the configuration.
func ParseScope(word string) (Scope, error) {
	for _, s := range Scopes {
		if s.Word == word {
			return s.Scope, nil
		}
	}
	return 0, fmt.Errorf("must be queries, responses, messages or transactions, got %q", word)
}

// Parameters are the words of the configuration that mean something to the
// entry.
func (e *Entry) Parameters() []string {
	var words []string
	if e.Of&Packets == 0 {
		words = append(words, "where")
	}
	words = append(words, e.Takes...)
	if slices.Contains(e.By, "client_subnet") {
		words = append(words, "prefix4", "prefix6")
	}
	if e.New != nil || e.newShared != nil || e.Script != nil {
		return words
	}
	if len(e.By) > 0 {
		if e.AsTop {
			words = append(words, "n")
		}
		if e.Measure != Rate {
			words = append(words, "top", "ties")
		}
		words = append(words, "max_keys")
	}
	return append(words, "codes")
}

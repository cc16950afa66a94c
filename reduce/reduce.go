// Package reduce is the reducer engine and its catalogue: what turns the
// messages of one window into one value.
//
// [Catalog] lists every reducer once; help, configuration checks, tests and
// documentation range over it. A [Reducer] belongs to one window of one server
// and to one goroutine. Memory is bounded whatever the traffic: keyed tables
// are exact up to max_keys and go on as a sketch with a stated error, lists
// hold samples and tell what they left out.
package reduce

import (
	"fmt"
	"strings"
	"time"

	"ratadns/dns"
	"ratadns/report"
)

// A Reducer folds what one window brings into one report.
//
// Its worker owns it: no method runs concurrently with another, so it holds no
// locks. Add must not keep e or its slices; the decoder reuses them.
type Reducer interface {
	Add(e *Event)
	// Merge adds what another worker's reducer of the same window has, so that
	// the report is that of one worker who had seen all. other is then only
	// good for Reset.
	Merge(other Reducer)
	// Report fills in the data, shape and state of r, whose window is set, and
	// adds to the window what the reducer knows (keyless, skipped, error). The
	// octets in r are valid until the next report of the window, or Reset.
	Report(r *report.Report)
	// Reset makes the reducer ready for another window.
	Reset()
}

// A Scope says which events a reducer sees.
type Scope uint8

// The scopes. QR tells queries, NOTIFY and UPDATE among them, from responses.
const (
	Queries Scope = 1 << iota
	Responses
	Complete // responses that complete a transaction
	Overdue  // queries whose response has not come in time
	Stray    // responses to no query
	Packets  // of the capture, whatever they carry

	Messages     = Queries | Responses
	Transactions = Complete | Overdue
)

// Letters is the scope as the documentation writes it: M, Q, R, T, P.
func (s Scope) Letters() string {
	if s&Packets != 0 {
		return "P"
	}
	switch s &^ (Overdue | Stray) {
	case Queries:
		return "Q"
	case Responses:
		return "R"
	case Messages:
		return "M"
	}
	return "T"
}

// Scopes are the words of the scopes that can be asked for.
var Scopes = []struct {
	Word  string
	Scope Scope
}{{"queries", Queries}, {"responses", Responses}, {"messages", Messages}, {"transactions", Transactions}}

// Word is the scope as the configuration writes it.
func (s Scope) Word() string {
	for _, w := range Scopes {
		if w.Scope == s {
			return w.Word
		}
	}
	if s&Messages == 0 {
		return "transactions"
	}
	return "messages"
}

// scope is what e is.
func (e *Event) scope() Scope {
	switch {
	case e.Match == TimedOut:
		return Overdue
	case e.Match == Answered:
		return Responses | Complete
	case e.Match == Unasked:
		return Responses | Stray
	case e.QR():
		return Responses
	}
	return Queries
}

// Params narrow a reducer; zero values are the catalogue's.
type Params struct {
	Top     int      // keys that are shown
	Ties    bool     // keep every key tied with the last shown
	MaxKeys int      // keys counted exactly
	Samples int      // items of a list
	Types   []uint16 // QTYPEs
	// Where narrows further than the entry does; nil does not.
	Where *Where
	// Mnemonics writes codes that are keys by their names.
	Mnemonics bool
	// Prefix4 and Prefix6 are the lengths of networks; nil is the default.
	Prefix4, Prefix6 *int
	// Threshold is from where on a latency is slow.
	Threshold time.Duration
	// Days is how long what has been seen is remembered.
	Days int
	// Workers is how many share the work: their lists remember the place of each
	// item in the capture, so that Merge restores the order.
	Workers int
}

// Defaults of the parameters.
const (
	DefaultTop     = 10
	DefaultMaxKeys = 20_000
	DefaultSamples = 1000
)

// An Entry is a reducer of the catalogue.
type Entry struct {
	Name string
	Doc  string
	Of   Scope
	// Where narrows the scope further; nil does not. Filter does so by an
	// expression, see [CompileWhere], or says in its words what Where does.
	Where  func(*Event) bool
	Filter string
	// Takes lists the parameters that mean something here, by their words in
	// the configuration.
	Takes []string
	New   func(Params) Reducer
	// newShared is New for reducers that count in tables of the window's names.
	newShared func(*Window, *groupUse) Reducer
	// keeps says what newShared keeps, where another reducer keeps the same.
	keeps string
	// Script is that of a reducer which is one.
	Script *Script
	// Without these, the reducer is declared: what it measures of which field, by
	// which dimensions; how many keys it shows, of two or three dimensions of
	// each key before the last; and whether as pairs.
	Measure Measure
	OfField string
	By      []string
	Top     int
	AsTop   bool
}

// declared reports whether the entry says all there is of its reducer.
func (e *Entry) declared() bool { return e.New == nil && e.newShared == nil && e.Script == nil }

// Find returns the entry of that name.
func Find(name string) (*Entry, error) {
	for i := range Catalog {
		if Catalog[i].Name == name {
			return &Catalog[i], nil
		}
	}
	for i := range Catalog {
		if strings.EqualFold(Catalog[i].Name, name) {
			return nil, fmt.Errorf("unknown reducer %q, there is %s", name, Catalog[i].Name)
		}
	}
	return nil, fmt.Errorf("unknown reducer %q, see: ratadns reducers", name)
}

// ParseTypes reads QTYPEs by their mnemonics.
func ParseTypes(names []string) ([]uint16, error) {
	var types []uint16
	for _, n := range names {
		t, ok := dns.TypeByName(n)
		if !ok {
			return nil, fmt.Errorf("unknown QTYPE %q", n)
		}
		types = append(types, t)
	}
	return types, nil
}

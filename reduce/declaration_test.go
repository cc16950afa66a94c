package reduce

import (
	"slices"
	"strings"
	"testing"
)

// TestDeclare: what a declaration becomes, or the member and the words of its
// error.
func TestDeclare(t *testing.T) {
	for _, c := range []struct {
		d         Declaration
		of        Scope
		measure   Measure
		field     string
		asTop     bool
		takes     string
		wantError string
	}{
		{d: Declaration{}, of: Messages, takes: "where codes"},
		{d: Declaration{Of: "queries", By: dims("qname"), Top: 5}, of: Queries, asTop: true, takes: "where n top ties max_keys codes"},
		{d: Declaration{Of: "responses", By: dims("qname", "rcode"), Top: 5}, of: Responses, takes: "where top ties max_keys codes"},
		{d: Declaration{Of: "transactions", By: dims("server"), Measure: "max:latency", Top: 5}, of: Transactions, measure: Max, field: "latency", takes: "where top ties max_keys codes"},
		{d: Declaration{Of: "transactions", By: dims("nodata", "retransmissions")}, of: Transactions, takes: "where top ties max_keys codes"},
		{d: Declaration{By: dims("qtype"), Measure: "rate"}, of: Messages, measure: Rate, takes: "where max_keys codes"},
		{d: Declaration{Measure: "sum:size"}, of: Messages, measure: Sum, field: "size", takes: "where codes"},
		{d: Declaration{Of: "queries", Listed: true}, of: Queries, takes: "where samples"},
		{d: Declaration{Of: "query"}, wantError: `of: must be queries`},
		{d: Declaration{By: dims("a", "b", "c", "d")}, wantError: `by: a reducer has 3 dimensions at most, got 4`},
		{d: Declaration{By: dims("qtype", "rcod")}, wantError: `by: unknown field "rcod", there is rcode`},
		{d: Declaration{By: dims("latency")}, wantError: `by: latency is of transactions, not of messages`},
		{d: Declaration{Of: "queries", By: dims("nodata")}, wantError: `by: nodata is of responses, not of queries`},
		{d: Declaration{Measure: "sum"}, wantError: `measure: sum needs a field, like sum:size`},
		{d: Declaration{Measure: "count:size"}, wantError: `measure: count takes no field`},
		{d: Declaration{Measure: "sum:qtype"}, wantError: `measure: sum: qtype is not a number`},
		{d: Declaration{Measure: "min:latency"}, wantError: `measure: latency is of transactions`},
		{d: Declaration{Measure: "rate", By: dims("qtype", "rcode")}, wantError: `by: rate goes by one dimension at most`},
		{d: Declaration{Measure: "rate", By: dims("qtype"), Top: 3}, wantError: `top: means nothing to a rate`},
		{d: Declaration{Top: 3}, wantError: `top: means nothing without a dimension`},
		{d: Declaration{Listed: true, Top: 3}, wantError: `top: means nothing to a list`},
		{d: Declaration{Listed: true, Measure: "count"}, wantError: `measure: means nothing to a list`},
	} {
		e, err := Declare(c.d)
		switch {
		case err != nil:
			if c.wantError == "" || !strings.HasPrefix(err.Error(), c.wantError) {
				t.Errorf("%+v: %v, want %s", c.d, err, c.wantError)
			}
		case c.wantError != "":
			t.Errorf("%+v: no error, want %s", c.d, c.wantError)
		case e.Of != c.of || e.Measure != c.measure || e.OfField != c.field || e.AsTop != c.asTop || !slices.Equal(e.Parameters(), strings.Fields(c.takes)):
			t.Errorf("%+v: %+v, takes %v", c.d, e, e.Parameters())
		}
	}
}

// TestMnemonics: a reducer writes its codes by their names where it is told to.
func TestMnemonics(t *testing.T) {
	e, err := Declare(Declaration{Name: "Mine", Of: "queries", By: dims("qtype")})
	if err != nil {
		t.Fatal(err)
	}
	for mnemonics, want := range map[bool]string{false: `{"1":1,"10":1,"ff78":1}`, true: `{"A":1,"TXT":1,"TYPE65400":1}`} {
		b := &bench{entry: e, group: NewGroup([]Use{{Entry: e, Params: Params{Mnemonics: mnemonics}}}, 1), event: NewEvent(plain(t))}
		w := b.make()
		for _, m := range whereMessages(t) {
			b.add(w, m)
		}
		if got := string(b.report(t, w, 0, 10, true).Data); got != want {
			t.Errorf("mnemonics %v: %s, want %s", mnemonics, got, want)
		}
	}
}

package reduce

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ratadns/speedy"
)

// ask is the answer of a declared reducer to messages, divided by turns among
// so many workers.
func ask(t testing.TB, e *Entry, p Params, workers, top int, msgs []*speedy.Message) Rows {
	t.Helper()
	var windows []*Window
	event := NewEvent(plain(t))
	for range workers {
		windows = append(windows, NewGroup([]Use{{e, p}}, workers).NewWindow())
	}
	for i, m := range msgs {
		event.Set(m)
		windows[i%workers].Add(event)
	}
	for _, w := range windows[1:] {
		windows[0].Merge(w)
	}
	return windows[0].Rows(0, top)
}

// rowsText are rows as a text.
func rowsText(r Rows) string {
	var lines []string
	for _, row := range r.Rows {
		lines = append(lines, fmt.Sprintf("%s %d", strings.Join(row.Keys, ","), row.N))
	}
	return strings.Join(lines, "; ")
}

// TestRowsOfCatalog: whoever has rows can tell them, and the others are declared
// nowhere to have any.
func TestRowsOfCatalog(t *testing.T) {
	for i := range Catalog {
		e := &Catalog[i]
		b := newBench(t, e.Name, Params{})
		w := b.make()
		for _, m := range makeAll(t, mixed) {
			b.add(w, m)
		}
		if w.HasRows(0) != e.declared() {
			t.Errorf("%s has rows: %v", e.Name, w.HasRows(0))
		} else if w.HasRows(0) {
			w.Rows(0, 3)
		}
	}
}

func TestRows(t *testing.T) {
	msgs := makeAll(t, []msg{
		{0, alice, ns, 1, query, "B.example.org.", 1, nil},
		{0, alice, ns, 2, query, "b.example.org.", 28, nil},
		{0, carol, ns6, 3, query, "a.example.org.", 1, nil},
		{0, bob, ns, 4, query, "c.example.org.", 65400, nil},
		{0, ns, bob, 4, nxdom, "c.example.org.", 65400, nil},
		{0, bob, ns, 5, query, "", 0, nil},
	})
	f := func(e Entry, top int, want string, left uint64) {
		t.Helper()
		for _, workers := range []int{1, 3} {
			r := ask(t, &e, Params{}, workers, top, msgs)
			if got := rowsText(r); got != want || r.Left != left {
				t.Errorf("%v of %v: got %s, %d left; want %s, %d left", e.By, e.Of, got, r.Left, want, left)
			}
		}
	}
	f(Entry{Of: Messages, By: dims("qname")}, 0, "b.example.org. 2; c.example.org. 2; a.example.org. 1", 0)
	f(Entry{Of: Messages, By: dims("qname")}, 2, "b.example.org. 2; c.example.org. 2", 1)
	f(Entry{Of: Queries, By: dims("qtype")}, 0, "A 2; AAAA 1; TYPE65400 1", 0)
	f(Entry{Of: Queries, By: dims("client")}, 1, "192.0.2.10 2", 3)
	f(Entry{Of: Queries, By: dims("ip_version", "qtype")}, 0, "IPv4,A 1; IPv4,AAAA 1; IPv4,TYPE65400 1; IPv6,A 1", 0)
	f(Entry{Of: Responses, By: dims("rcode")}, 0, "NXDOMAIN 1", 0)
	f(Entry{Of: Queries}, 0, " 5", 0)
	f(Entry{Of: Responses, Where: func(*Event) bool { return false }}, 0, " 0", 0)
	f(Entry{Of: Queries, By: dims("qtype"), Measure: Min, OfField: "id"}, 0, "A 1; AAAA 2; TYPE65400 4", 0)
	f(Entry{Of: Queries, By: dims("qtype"), Measure: Max, OfField: "id"}, 2, "TYPE65400 4; A 3", 2)

	if r := ask(t, &Entry{Of: Messages, By: dims("qname")}, Params{}, 1, 2, msgs); r.Keys != 1 || r.Sum != 5 || r.Keyless != 1 || r.Sketch {
		t.Errorf("keys %d, sum %d, keyless %d, sketch %v; want 1, 5, 1, false", r.Keys, r.Sum, r.Keyless, r.Sketch)
	}
	r := ask(t, &Entry{Of: Messages, By: dims("qname")}, Params{MaxKeys: 2}, 1, 0, msgs)
	if len(r.Rows) != 2 || !r.Sketch || r.Error == 0 || r.Sum != 5 {
		t.Errorf("%s, sketch %v, error %d, sum %d", rowsText(r), r.Sketch, r.Error, r.Sum)
	}
	top, err := Find("TopNQ")
	if err != nil {
		t.Fatal(err)
	}
	if r := ask(t, top, Params{}, 2, 2, msgs); rowsText(r) != "b.example.org. 2; a.example.org. 1" || !slices.Equal(r.By, dims("qname")) {
		t.Errorf("TopNQ: %s by %v", rowsText(r), r.By)
	}
}

// The few best are those that stand first when all are in order.
func TestBestRows(t *testing.T) {
	best := func(top int, least bool) []textRow {
		b := bestRows{least: least, top: top}
		for i := range 1000 {
			row := textRow{keys: [maxDims]string{fmt.Sprint(i * 7 % 1000)}, n: uint64(i * 31 % 50)}
			if b.mayTake(row.n) {
				b.take(row)
			}
		}
		return b.inOrder()
	}
	for _, least := range []bool{false, true} {
		all := best(0, least)
		for _, top := range []int{1, 10, 999, 1000, 2000} {
			if got := best(top, least); !slices.Equal(got, all[:min(top, len(all))]) {
				t.Errorf("least %v, top %d: got %v", least, top, got[:1])
			}
		}
	}
}

func TestQuestionErrors(t *testing.T) {
	f := func(want string, err error) {
		t.Helper()
		if got := fmt.Sprint(err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	_, err := ParseScope("answers")
	f(`must be queries, responses, messages or transactions, got "answers"`, err)
	f(`unknown dimension "qtypes", there is qtype`, ParseDimensions(dims("qtypes"), Messages))
	f(`unknown dimension "QNAME", there is qname`, ParseDimensions(dims("QNAME"), Messages))
	f(`unknown dimension "nothing-like-it"`, ParseDimensions(dims("nothing-like-it"), Messages))
	f(`at most 3 dimensions, got 4`, ParseDimensions(dims("a", "b", "c", "d"), Messages))
	f(`dimension "tc" is there twice`, ParseDimensions(dims("tc", "qr", "tc"), Messages))
	f(`"nodata" is known of responses only`, ParseDimensions(dims("nodata"), Queries))
	f(`<nil>`, ParseDimensions(dims("nodata"), Transactions))
	f(`unknown number "qname"`, CheckMeasured(Sum, "qname", Messages))
	f(`<nil>`, CheckMeasured(Sum, "size", Messages))
	for _, text := range []string{"", "median", "sum", "sum:", "count:size"} {
		if _, _, err := ParseMeasure(text); err == nil {
			t.Errorf("%q is a measure", text)
		}
	}
	if m, field, err := ParseMeasure("max:size"); m != Max || field != "size" || err != nil {
		t.Errorf("max:size: %v, %q, %v", m, field, err)
	}
}

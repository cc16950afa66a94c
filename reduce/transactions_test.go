package reduce

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratadns/report"
)

// watch is a reducer that writes down what it sees.
type watch struct{ lines []string }

func (w *watch) Merge(Reducer)         {}
func (w *watch) Report(*report.Report) {}
func (w *watch) Reset()                {}
func (w *watch) Add(e *Event) {
	words := [...]string{"", "asked", "asked again", "answered", "answered again", "unasked", "timed out", "untracked"}
	line := fmt.Sprintf("%d %s", e.ID, words[e.Match])
	switch e.Match {
	case Answered, AnsweredAgain:
		line += fmt.Sprintf(" after %d us, sent again %d", e.LatencyNS/1000, e.Retransmissions)
	case TimedOut:
		line += fmt.Sprintf(", sent again %d", e.Retransmissions)
	}
	if e.Query != nil {
		line += ", asked " + string(askedName(e))
	}
	if e.Bare {
		line += ", bare"
	}
	w.lines = append(w.lines, line)
}

// askedName is the name that the query of a transaction asked, as it was asked.
func askedName(e *Event) []byte {
	q := &Event{}
	q.Set(e.Query)
	return bytes.Trim(q.AppendAsked(nil), `"`)
}

// TestTransactions: queries and responses are what they are to one another.
func TestTransactions(t *testing.T) {
	q := func(at float64, id uint16, name string) msg {
		return msg{at: at, from: alice, to: ns, id: id, flags: query, qname: name, qtype: 1}
	}
	r := func(at float64, id uint16, name string) msg {
		return msg{at: at, from: ns, to: alice, id: id, flags: noerr, qname: name, qtype: 1}
	}
	for _, c := range []struct {
		name  string
		lines []msg
		want  []string
	}{
		{"one", []msg{q(1, 1, "WWW.a."), r(1.000123, 1, "www.a.")}, []string{"1 asked", "1 answered after 123 us, sent again 0, asked WWW.a."}},
		{"sent again", []msg{q(1, 1, "a."), q(3, 1, "a."), q(5, 1, "A."), r(5.5, 1, "a."), r(5.6, 1, "a.")},
			[]string{"1 asked", "1 asked again", "1 asked again", "1 answered after 4500000 us, sent again 2, asked a.", "1 answered again after 4600000 us, sent again 2"}},
		{"sent again after its answer", []msg{q(1, 1, "a."), r(1.5, 1, "a."), q(5.9, 1, "a."), r(6.1, 1, "a."), r(6.2, 1, "a."), q(6.3, 1, "A.")},
			[]string{"1 asked", "1 answered after 500000 us, sent again 0, asked a.", "1 asked", "1 answered after 200000 us, sent again 0, asked a.",
				"1 answered again after 300000 us, sent again 0", "1 asked", "1 timed out, sent again 0"}},
		{"too late", []msg{q(1, 1, "a."), r(6, 1, "a.")}, []string{"1 asked", "1 unasked", "1 timed out, sent again 0"}},
		{"nobody asked", []msg{r(1, 1, "a.")}, []string{"1 unasked"}},
		{"no answer", []msg{q(1, 1, "a."), q(2, 1, "a.")}, []string{"1 asked", "1 asked again", "1 timed out, sent again 1"}},
		{"clocks differ", []msg{q(1.001, 1, "a."), r(1, 1, "a.")}, []string{"1 asked", "1 answered after 0 us, sent again 0, asked a."}},
		{"two at once", []msg{q(1, 1, "a."), q(1.1, 1, "b."), r(1.2, 1, "b."), r(1.4, 1, "a.")},
			[]string{"1 asked", "1 asked", "1 answered after 100000 us, sent again 0, asked b.", "1 answered after 400000 us, sent again 0, asked a."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen := new(watch)
			entry := &Entry{Name: "watch", Of: Messages | Transactions, New: func(Params) Reducer { return seen }}
			w := NewGroup([]Use{{Entry: entry}}, 1).NewWindow()
			e := NewEvent(plain(t))
			for _, m := range makeAll(t, c.lines) {
				e.Set(m)
				w.Add(e)
			}
			w.Close(e, base+20e9, true)
			if diff := cmp.Diff(c.want, seen.lines); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTransactionScope: a transaction is its last message, or the query that got
// no response.
func TestTransactionScope(t *testing.T) {
	seen := new(watch)
	entry := &Entry{Name: "watch", Of: Transactions, New: func(Params) Reducer { return seen }}
	w := NewGroup([]Use{{Entry: entry}}, 1).NewWindow()
	e := NewEvent(plain(t))
	for i, flags := range []uint16{query, query, query, noerr, noerr} {
		m := msg{at: float64(i), from: alice, to: ns, id: uint16(i % 3), flags: flags, qname: "a.", qtype: 1}
		if flags == noerr {
			m.from, m.to = m.to, m.from
		}
		e.Set(m.make(t))
		w.Add(e)
	}
	w.Close(e, base+20e9, false)
	want := []string{"0 answered after 3000000 us, sent again 0, asked a.", "1 answered after 3000000 us, sent again 0, asked a.", "2 timed out, sent again 0"}
	if diff := cmp.Diff(want, seen.lines); diff != "" {
		t.Error(diff)
	}
}

// TestTransactionQuestion: a response without a question has the one of its query
// where it stands for the transaction, and none where it is a message.
func TestTransactionQuestion(t *testing.T) {
	msgs := makeAll(t, []msg{
		{at: 1, from: alice, to: ns, id: 1, flags: query, qname: "A.example.org.", qtype: 1},
		{at: 1.2, from: ns, to: alice, id: 1, flags: former},
	})
	want := `{"latency":{"a.example.org.":200000},"slow":{"a.example.org.":1}}`
	if r := one(t, "TopSlow", Params{}, msgs); string(r.Data) != want || r.Window.Keyless != 0 {
		t.Errorf("%s, keyless %d, want %s", r.Data, r.Window.Keyless, want)
	}
	if r := one(t, "NameCounter", Params{}, msgs); string(r.Data) != `{"a.example.org.":1}` || r.Window.Keyless != 1 {
		t.Errorf("%s, keyless %d", r.Data, r.Window.Keyless)
	}
}

// TestBare: queries beyond the memory for their copies are matched all the same.
func TestBare(t *testing.T) {
	seen := new(watch)
	entry := &Entry{Name: "watch", Of: Transactions, New: func(Params) Reducer { return seen }}
	g := NewGroup([]Use{{Entry: entry}}, 1)
	g.tracker.heldLimit = 10
	w, e := g.NewWindow(), NewEvent(plain(t))
	for _, l := range []msg{
		{at: 1, from: alice, to: ns, id: 1, flags: query, qname: "a.", qtype: 1},
		{at: 1, from: alice, to: ns, id: 2, flags: query, qname: "a.", qtype: 1},
		{at: 2, from: ns, to: alice, id: 1, flags: noerr, qname: "a.", qtype: 1},
	} {
		e.Set(l.make(t))
		w.Add(e)
	}
	w.Close(e, base+20e9, false)
	want := []string{"1 answered after 1000000 us, sent again 0", "2 timed out, sent again 0, bare"}
	if diff := cmp.Diff(want, seen.lines); diff != "" {
		t.Error(diff)
	}
}

// BenchmarkTransactions is what matching adds to a message.
func BenchmarkTransactions(b *testing.B) {
	var lines []msg
	for i := range 1000 {
		l := msg{at: float64(i) / 1000, from: alice, to: ns, id: uint16(i), flags: query, qname: fmt.Sprintf("n%d.example.org.", i), qtype: 1}
		lines = append(lines, l)
		l.from, l.to, l.flags = l.to, l.from, noerr
		lines = append(lines, l)
	}
	msgs := makeAll(b, lines)
	entry := &Entry{Name: "null", Of: Transactions, New: newNull}
	w := NewGroup([]Use{{Entry: entry}}, 1).NewWindow()
	e := NewEvent(plain(b))
	b.ReportAllocs()
	for b.Loop() {
		for _, m := range msgs {
			e.Set(m)
			w.Add(e)
		}
		w.Close(e, base+60e9, true)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(msgs)), "ns/message")
}

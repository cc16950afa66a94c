package reduce

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratadns/packet"
	"ratadns/report"
	"ratadns/speedy"
)

// aloneData is what AlonePackets reports.
type aloneData struct {
	NQ      int             `json:"queries"`
	NR      int             `json:"answers"`
	Queries json.RawMessage `json:"AloneQueries"`
	Answers json.RawMessage `json:"AloneAnswers"`
}

func parseAlone(t testing.TB, rep *report.Report) (d aloneData) {
	t.Helper()
	if err := json.Unmarshal(rep.Data, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// aloneWindows puts messages into windows of that many seconds and returns each
// window's alone queries and responses by id: "q1 q2 r3", and "+n" for skipped.
// As in Fievel, a window is reported when it is over, and the last ends the
// input.
func aloneWindows(t testing.TB, p Params, length float64, windows int, msgs []*speedy.Message) (got []string) {
	t.Helper()
	b := newBench(t, "AlonePackets", p)
	for i := range windows {
		start, end := float64(i)*length, float64(i+1)*length
		r := b.make()
		for _, m := range msgs {
			if at := float64(m.Time-base) / 1e9; at >= start && at < end {
				b.add(r, m)
			}
		}
		rep := b.report(t, r, start, end, i == windows-1)
		d := parseAlone(t, rep)
		var words []string
		for _, s := range objects(t, d.Queries) {
			id, _, _ := strings.Cut(s, " ")
			words = append(words, "q"+id)
		}
		for _, s := range objects(t, d.Answers) {
			id, _, _ := strings.Cut(s, " ")
			words = append(words, "r"+id)
		}
		if rep.Window.Skipped > 0 {
			words = append(words, fmt.Sprintf("+%d", rep.Window.Skipped))
		}
		if n := strings.Count(strings.Join(words, " "), "q"); p.Samples == 0 && (n != d.NQ || len(words)-n != d.NR) && rep.Window.Skipped == 0 {
			t.Errorf("%d queries and %d responses counted, listed %v", d.NQ, d.NR, words)
		}
		got = append(got, strings.Join(words, " "))
	}
	return got
}

func TestAlonePackets(t *testing.T) {
	q := func(at float64, id uint16, name string) msg {
		return msg{at: at, from: alice, to: ns, id: id, flags: query, qname: name, qtype: 1}
	}
	r := func(at float64, id uint16, name string) msg {
		return msg{at: at, from: ns, to: alice, id: id, flags: noerr, qname: name, qtype: 1}
	}
	change := func(m msg, f func(*msg)) msg { f(&m); return m }
	for _, c := range []struct {
		name  string
		lines []msg
		want  []string // by window of ten seconds
	}{
		{"answered", []msg{q(1, 1, "a."), r(1.1, 1, "a.")}, []string{"", ""}},
		{"unanswered", []msg{q(1, 1, "a.")}, []string{"q1", ""}},
		{"unanswered, five seconds end with the window", []msg{q(4.999999999, 1, "a.")}, []string{"q1", ""}},
		{"unanswered, five seconds end with the next one's start", []msg{q(5, 1, "a.")}, []string{"", "q1", ""}},
		{"unanswered at the end of the input", []msg{q(9, 1, "a."), q(1, 2, "a.")}, []string{"q2 q1"}},
		{"in the order of time", []msg{q(2, 2, "a."), q(1, 1, "a."), q(3, 3, "a.")}, []string{"q1 q2 q3"}},
		{"nobody asked", []msg{r(1, 1, "a.")}, []string{"r1"}},
		{"answered at the last moment", []msg{q(1, 1, "a."), r(5.999999999, 1, "a.")}, []string{""}},
		{"answered too late", []msg{q(1, 1, "a."), r(6, 1, "a.")}, []string{"q1 r1"}},
		{"response first", []msg{r(1, 1, "a."), q(1.1, 1, "a.")}, []string{"q1 r1"}},
		{"answered twice", []msg{q(1, 1, "a."), r(1.1, 1, "a."), r(1.2, 1, "a.")}, []string{""}},
		{"answered twice, once too late", []msg{q(1, 1, "a."), r(1.1, 1, "a."), r(6, 1, "a.")}, []string{"r1"}},
		{"sent again, answered", []msg{q(1, 1, "a."), q(2, 1, "a."), r(2.1, 1, "a.")}, []string{""}},
		{"sent again, both answered", []msg{q(1, 1, "a."), q(2, 1, "a."), r(2.1, 1, "a."), r(2.2, 1, "a.")}, []string{""}},
		{"sent again, unanswered", []msg{q(4, 1, "a."), q(6, 1, "a.")}, []string{"q1", ""}},
		{"sent again after five seconds", []msg{q(1, 1, "a."), q(6, 1, "a.")}, []string{"q1", "q1", ""}},
		{"sent again after five seconds, answered", []msg{q(1, 1, "a."), q(6, 1, "a."), r(6.1, 1, "a.")}, []string{"q1", ""}},
		{"id used again for another name", []msg{q(1, 1, "a."), q(1.1, 1, "b."), r(1.2, 1, "a.")}, []string{"q1"}},
		{"id used again, both answered", []msg{q(1, 1, "a."), q(1.1, 1, "b."), r(1.2, 1, "b."), r(1.3, 1, "a.")}, []string{""}},
		{"id used again for another type", []msg{q(1, 1, "a."), change(r(1.1, 1, "a."), func(m *msg) { m.qtype = 28 })}, []string{"q1 r1"}},
		{"across windows", []msg{q(9, 1, "a."), r(11, 1, "a.")}, []string{"", "", ""}},
		{"across windows, too late", []msg{q(9, 1, "a."), r(14.1, 1, "a.")}, []string{"", "q1 r1", ""}},
		{"case", []msg{q(1, 1, "A.ExaMple."), r(1.1, 1, "a.eXample.")}, []string{""}},
		{"response without a question", []msg{q(1, 1, "a."), change(r(1.1, 1, ""), func(m *msg) { m.flags = former })}, []string{""}},
		{"response without a question to another id", []msg{q(1, 1, "a."), r(1.1, 2, "")}, []string{"q1 r2"}},
		{"response without a question to nothing", []msg{r(1.1, 2, "")}, []string{"r2"}},
		{"query without a question", []msg{q(1, 1, ""), r(1.1, 1, "")}, []string{""}},
		{"another port", []msg{q(1, 1, "a."), change(r(1.1, 1, "a."), func(m *msg) { m.to = "192.0.2.10:40001" })}, []string{"q1 r1"}},
		{"another server", []msg{q(1, 1, "a."), change(r(1.1, 1, "a."), func(m *msg) { m.from = "198.51.100.54:53" })}, []string{"q1 r1"}},
		{"malformed response", []msg{q(1, 1, "a."), change(r(1.1, 1, "a."), func(m *msg) { m.change = promise })}, []string{""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, aloneWindows(t, Params{}, 10, len(c.want), makeAll(t, c.lines))); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("another transport", func(t *testing.T) {
		msgs := makeAll(t, []msg{q(1, 1, "a."), r(1.1, 1, "a.")})
		msgs[1].Transport = packet.TCP
		if got := aloneWindows(t, Params{}, 10, 1, msgs)[0]; got != "q1 r1" {
			t.Errorf("got %s", got)
		}
	})
}

// TestAloneSamePorts: a health check that asks for ever from one port with one
// id is nothing strange, however long the window.
func TestAloneSamePorts(t *testing.T) {
	var lines []msg
	for i := range 50 {
		at := float64(i) * 6
		lines = append(lines,
			msg{at: at, from: alice, to: ns, flags: query, qname: "health.example.org.", qtype: 1},
			msg{at: at + 0.1, from: ns, to: alice, flags: noerr, qname: "health.example.org.", qtype: 1})
	}
	if got := aloneWindows(t, Params{}, 600, 1, makeAll(t, lines)); got[0] != "" {
		t.Errorf("alone: %s", got[0])
	}
	// Without any response each is alone.
	for i := range lines {
		lines[i].id = uint16(i) // of the queries, the even ones
	}
	var queries []msg
	for i := 0; i < len(lines); i += 2 {
		lines[i].id = 7
		queries = append(queries, lines[i])
	}
	if got, want := aloneWindows(t, Params{}, 600, 1, makeAll(t, queries))[0], strings.TrimSpace(strings.Repeat("q7 ", 50)); got != want {
		t.Errorf("alone: %s, want %s", got, want)
	}
}

func TestAloneBounds(t *testing.T) {
	q := msg{at: 1, from: alice, to: ns, id: 1, flags: query, qtype: 1}

	// Questions of one transaction: those beyond are told.
	var lines []msg
	for i := range maxChain + 2 {
		q.qname = fmt.Sprintf("n%d.example.org.", i)
		lines = append(lines, q)
	}
	want := strings.TrimSpace(strings.Repeat("q1 ", maxChain)) + " +2"
	if got := aloneWindows(t, Params{}, 10, 2, makeAll(t, lines)); got[0] != want || got[1] != "" {
		t.Errorf("%d questions: got %q, want %q", len(lines), got, want)
	}

	// Samples bound each list; the counts go on.
	lines = nil
	for i := range 5 {
		q.id, q.qname = uint16(i), "a."
		lines = append(lines, q, msg{at: 1, from: ns, to: bob, id: uint16(i + 100), flags: noerr, qname: "b.", qtype: 1})
	}
	b := newBench(t, "AlonePackets", Params{Samples: 2})
	r := b.make()
	for _, m := range makeAll(t, lines) {
		b.add(r, m)
	}
	rep := b.report(t, r, 0, 10, false)
	if d := parseAlone(t, rep); d.NQ != 5 || d.NR != 5 || len(objects(t, d.Queries)) != 2 || len(objects(t, d.Answers)) != 2 || rep.Window.Skipped != 6 {
		t.Errorf("skipped %d, %s", rep.Window.Skipped, rep.Data)
	}
}

// TestAloneFull: beyond maxPending queries that wait, further ones are told and
// not kept; when those have been given up there is room again.
func TestAloneFull(t *testing.T) {
	b := newBench(t, "AlonePackets", Params{})
	r := b.make()
	m := msg{at: 1, from: alice, to: ns, flags: query, qname: "a.", qtype: 1}.make(t)
	for i := range maxPending + 3 {
		m.ID, m.SourcePort = uint16(i), uint16(i>>16)
		b.add(r, m)
	}
	rep := b.report(t, r, 0, 10, false)
	if d := parseAlone(t, rep); d.NQ != maxPending || rep.Window.Skipped != maxPending-DefaultSamples+3 {
		t.Errorf("%d queries alone, skipped %d, want %d, %d", d.NQ, rep.Window.Skipped, maxPending, maxPending-DefaultSamples+3)
	}
	m.Time = base + 11e9
	b.add(r, m)
	rep = b.report(t, r, 10, 20, false)
	if d := parseAlone(t, rep); d.NQ != 1 || rep.Window.Skipped != 0 {
		t.Errorf("afterwards %d queries alone, skipped %d, want 1, 0", d.NQ, rep.Window.Skipped)
	}
}

// TestAloneForgets: answered queries are forgotten too, with the window and
// when there are too many.
func TestAloneForgets(t *testing.T) {
	b := newBench(t, "AlonePackets", Params{})
	r, tr := b.make(), b.group.tracker
	q := msg{at: 1, from: alice, to: ns, flags: query, qname: "a.", qtype: 1}.make(t)
	a := msg{at: 1, from: ns, to: alice, flags: noerr, qname: "a.", qtype: 1}.make(t)
	most := 0
	for i := range 5*maxPending + 3 {
		q.ID, q.SourcePort = uint16(i), uint16(i>>16)
		a.ID, a.DestPort = q.ID, q.SourcePort
		b.add(r, q)
		b.add(r, a)
		most = max(most, len(tr.queue))
	}
	if most > 4*maxPending || tr.open != 0 {
		t.Errorf("%d queries kept, %d open, want at most %d, 0", most, tr.open, 4*maxPending)
	}
	rep := b.report(t, r, 0, 10, false)
	if d := parseAlone(t, rep); d.NQ != 0 || d.NR != 0 || rep.Window.Skipped != 0 {
		t.Errorf("skipped %d, %.500s", rep.Window.Skipped, rep.Data)
	}
	if len(tr.queue) != 0 || tr.linked != 0 || tr.held != 0 {
		t.Errorf("%d queued, %d pending, %d octets held after the window", len(tr.queue), tr.linked, tr.held)
	}
}

package reduce

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ratadns/report"
	"ratadns/speedy"
)

const firstDay = int64(1475762100e9) // 2016-10-06T13:55:00Z

// reportedDomains gives names to windows of a group, a day from each other, and
// returns the data of their reports.
func reportedDomains(t *testing.T, g *Group, start int64, windows ...[]string) (data []string) {
	t.Helper()
	anon, _ := speedy.NewAnonymizer(speedy.None, speedy.Key{})
	e := NewEvent(anon)
	for i, names := range windows {
		w := g.NewWindow()
		for _, name := range names {
			e.Set(msg{from: alice, to: ns, flags: query, qname: name, qtype: 1}.make(t))
			w.Add(e)
		}
		at := start + int64(i)*int64(24*time.Hour)
		r := report.Report{Window: report.Window{Start: at, End: at + 10e9}}
		w.Report(0, &r)
		data = append(data, string(r.Data))
	}
	return data
}

func TestNewDomains(t *testing.T) {
	entry, err := Find("NewDomains")
	if err != nil {
		t.Fatal(err)
	}
	use := []Use{{Entry: entry, Params: Params{Days: 2}}}
	g := NewGroup(use, 1)
	a, b := []string{"www.a.example.org.", "mail.a.example.org.", "a.cl."}, []string{"b.cl."}
	got := reportedDomains(t, g, firstDay, a, a, b, append(a[:2:2], b...), nil, nil, a)
	want := []string{`{"a.cl.":1,"example.org.":2}`, `{}`, `{"b.cl.":1}`, `{}`, `{}`, `{}`, `{"a.cl.":1,"example.org.":2}`}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	// Another configuration of the same reducer remembers, of another does not.
	next := NewGroup(use, 1)
	next.Follow(g)
	if got := reportedDomains(t, next, firstDay+7*86400e9, a, b); fmt.Sprint(got) != `[{} {"b.cl.":1}]` {
		t.Errorf("after a reload: %v", got)
	}
	other := NewGroup([]Use{{Entry: entry, Params: Params{Days: 3}}}, 1)
	other.Follow(g)
	if got := reportedDomains(t, other, firstDay+7*86400e9, b); got[0] != `{"b.cl.":1}` {
		t.Errorf("for other days: %v", got)
	}
}

// TestRemembered: what the filters say they know that they have never seen is
// bounded, and so is what they take, whatever comes.
func TestRemembered(t *testing.T) {
	m := newMemory(1)
	m.turn(firstDay)
	const n = 2 * remembered
	for i := range n {
		m.add(nameHash(fmt.Sprintf("d%d.cl.", i)))
	}
	for i := n - remembered; i < n; i++ {
		if !m.has(nameHash(fmt.Sprintf("d%d.cl.", i))) {
			t.Fatalf("forgot one of the last %d", remembered)
		}
	}
	wrong := 0
	const asked = 100_000
	for i := range asked {
		if m.has(nameHash(fmt.Sprintf("never%d.cl.", i))) {
			wrong++
		}
	}
	if wrong > asked/150 {
		t.Errorf("%d of %d never seen are known", wrong, asked)
	}
	// Time that goes back begins anew.
	m.turn(firstDay - 366*86400e9)
	if m.has(nameHash("d1.cl.")) || strings.Count(fmt.Sprint(m.parts), "<nil>") != memoryParts-1 {
		t.Error("another capture's names are remembered")
	}
}

// TestForgotten: a name is remembered for the days, and forgotten an eighth of
// them later, however far apart the windows are.
func TestForgotten(t *testing.T) {
	const days = 2
	for _, apart := range []time.Duration{time.Second, time.Hour, 5 * time.Hour, 11 * time.Hour, 24 * time.Hour} {
		m := newMemory(days)
		m.turn(firstDay)
		m.add(1)
		after := time.Duration(0)
		for m.has(1) && after < 20*24*time.Hour {
			after += apart
			m.turn(firstDay + int64(after))
		}
		if least := days * 24 * time.Hour; after <= least || after > least+least/8+apart {
			t.Errorf("windows %v apart: forgotten after %v", apart, after)
		}
	}
}

// forget lets reducers forget what they remember beyond a window.
func forget(w *Window) {
	for _, r := range w.reducers {
		if n, ok := r.(*newDomains); ok {
			*n.seen = memory{turns: n.seen.turns}
		}
	}
}

package reduce

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratadns/report"
	"ratadns/speedy"
)

// shared reduces messages with several workers, each flow at one of them, in
// windows of four seconds, and returns the reports.
func shared(t *testing.T, uses []Use, workers int, msgs []*speedy.Message) (lines []string) {
	t.Helper()
	var groups []*Group
	var windows []*Window
	for range workers {
		groups = append(groups, NewGroup(uses, workers))
		windows = append(windows, groups[len(groups)-1].NewWindow())
	}
	event := NewEvent(plain(t))
	end := base + 4e9
	closeWindow := func(final bool) {
		for _, w := range windows {
			w.Close(event, end, final)
		}
		for _, w := range windows[1:] {
			windows[0].Merge(w)
		}
		for i, u := range uses {
			rep := &report.Report{Type: u.Entry.Name, ServerID: "server1", Window: report.Window{
				Start: end - 4e9, End: end, Messages: windows[0].Messages, Malformed: windows[0].Malformed,
			}}
			windows[0].Report(i, rep)
			lines = append(lines, string(rep.Append(nil)))
		}
		windows[0].Reset()
		end += 4e9
	}
	for i, m := range msgs {
		for m.Time >= end {
			closeWindow(false)
		}
		m.Place = uint64(i)
		event.Set(m)
		client := m.Client().As16()
		windows[(int(client[15])+int(m.ID))%workers].Add(event)
	}
	closeWindow(true)
	return lines
}

// answered makes some messages responses to the query before them.
func answered(seed uint64, msgs []*speedy.Message) []*speedy.Message {
	rng := rand.New(rand.NewPCG(seed, 11))
	for i, m := range msgs {
		if prev := msgs[max(i-1, 0)]; m.QR() && !prev.QR() && rng.IntN(2) == 0 {
			wire := append([]byte(nil), prev.Wire...)
			wire[2] |= 0x80
			_ = m.Unpack(wire)
			m.Source, m.SourcePort, m.Dest, m.DestPort = prev.Dest, prev.DestPort, prev.Source, prev.SourcePort
		}
	}
	return msgs
}

// TestWorkers: however many share the work, the reports are those of one.
func TestWorkers(t *testing.T) {
	var uses []Use
	for i := range Catalog {
		uses = append(uses, Use{Entry: &Catalog[i]}, Use{Entry: &Catalog[i], Params: Params{Samples: 5, Top: 3}})
	}
	for seed := range uint64(3) {
		msgs := answered(seed, traffic(t, seed, 3000))
		want := shared(t, uses, 1, msgs)
		for _, workers := range []int{2, 3, 8} {
			if diff := cmp.Diff(want, shared(t, uses, workers, msgs)); diff != "" {
				t.Errorf("%d workers:\n%s", workers, diff)
			}
		}
	}
}

// TestManyTypes: nor does it matter for clients that ask for many types.
func TestManyTypes(t *testing.T) {
	var uses []Use
	for _, name := range []string{"PacketSummary", "QueriesSummary"} {
		e, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		uses = append(uses, Use{Entry: e}, Use{Entry: e, Params: Params{Samples: 70}})
	}
	var msgs []*speedy.Message
	for i := range 400 {
		m := msg{from: alice, to: ns, flags: query, qname: fmt.Sprintf("%d.example.org.", i), qtype: uint16(i * 37 % 80)}.make(t)
		m.ID = uint16(i)
		msgs = append(msgs, m)
	}
	want := shared(t, uses, 1, msgs)
	for i, n := range []int{400, 70} {
		if shown := strings.Count(want[i], ".example.org."); shown != n {
			t.Errorf("%d names of %d", shown, n)
		}
	}
	for _, workers := range []int{2, 7} {
		if diff := cmp.Diff(want, shared(t, uses, workers, msgs)); diff != "" {
			t.Errorf("%d workers:\n%s", workers, diff)
		}
	}
}

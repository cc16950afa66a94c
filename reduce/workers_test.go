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

// testBatch returns a batch without decoders.
func testBatch(t testing.TB) *Batch {
	return NewBatch(plain(t), func() *speedy.Decoder { return nil })
}

// take is Take of what has been decoded.
func (b *Batch) take(m *speedy.Message) {
	e := &b.events[len(b.list)]
	e.Set(m)
	b.list = append(b.list, e)
}

// shared reduces messages with several workers, each flow at one of them, in
// windows of four seconds, and returns the reports.
func shared(t *testing.T, uses []Use, workers int, msgs []*speedy.Message) (lines []string) {
	t.Helper()
	return sharedBatches(t, uses, workers, msgs, func() int { return 1 })
}

// sharedBatches is shared with batches that have as many messages as size says.
func sharedBatches(t *testing.T, uses []Use, workers int, msgs []*speedy.Message, size func() int) (lines []string) {
	t.Helper()
	var windows []*Window
	var batches []*Batch
	for range workers {
		windows = append(windows, NewGroup(uses, workers).NewWindow())
		batches = append(batches, testBatch(t))
	}
	add := func(i int) {
		windows[i].AddBatch(batches[i])
		batches[i].Clear()
	}
	end := base + 4e9
	closeWindow := func(final bool) {
		for i, w := range windows {
			add(i)
			w.Close(batches[i].Single(), end, final)
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
		client := m.Client().As16()
		own := (int(client[15]) + int(m.ID)) % workers
		batches[own].take(m)
		if batches[own].Len() >= size() {
			add(own)
		}
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

// TestListedTransactions: those that were answered and those that were not come
// in one order.
func TestListedTransactions(t *testing.T) {
	entry, err := Declare(Declaration{Name: "Mine", Of: "transactions", Listed: true})
	if err != nil {
		t.Fatal(err)
	}
	msgs := answered(4, traffic(t, 4, 3000))
	for _, samples := range []int{20, 10_000} {
		uses := []Use{{Entry: entry, Params: Params{Samples: samples}}}
		want := shared(t, uses, 1, msgs)
		for _, workers := range []int{2, 5} {
			if diff := cmp.Diff(want, shared(t, uses, workers, msgs)); diff != "" {
				t.Errorf("%d workers, %d samples: %.2000s", workers, samples, diff)
			}
		}
	}
}

// TestBatches: nor does it matter how many messages are added together, nor which
// other reducers there are that may count the same.
func TestBatches(t *testing.T) {
	var uses []Use
	for i := range Catalog {
		uses = append(uses, Use{Entry: &Catalog[i]})
	}
	rng := rand.New(rand.NewPCG(5, 6))
	msgs := answered(7, traffic(t, 7, 3000))
	want := shared(t, uses, 1, msgs)
	for name, size := range map[string]func() int{
		"full": func() int { return batchLen },
		"any":  func() int { return 1 + rng.IntN(batchLen) },
	} {
		if diff := cmp.Diff(want, sharedBatches(t, uses, 1, msgs, size)); diff != "" {
			t.Errorf("%s batches:\n%s", name, diff)
		}
	}
	for i := range uses {
		var got []string
		for n := i; n < len(want); n += len(uses) {
			got = append(got, want[n])
		}
		if diff := cmp.Diff(shared(t, uses[i:i+1], 1, msgs), got); diff != "" {
			t.Errorf("%s among others:\n%s", uses[i].Entry.Name, diff)
		}
	}
}

// declaredUses are reducers as users may declare them, many of which count the
// same and show it otherwise.
func declaredUses(rng *rand.Rand, n int) (uses []Use) {
	pick := func(words ...string) string { return words[rng.IntN(len(words))] }
	for len(uses) < n {
		d := Declaration{
			Name: fmt.Sprint("Mine", len(uses)), Of: pick("queries", "responses", "messages", "transactions"), Top: rng.IntN(2) * 3,
			Measure: pick("", "", "sum:size", "sum:answers", "min:size", "max:latency", "distinct:qname", "quantiles:size", "rate", "sum:subdomain_length"),
		}
		for range rng.IntN(4) {
			d.By = append(d.By, pick("qname", "qtype", "rcode", "transport", "client", "client_subnet", "tld", "registered_domain", "label(-1)",
				"certain_qname", "query_class", "edns_size_bin", "size", "client_port_range", "latency_bucket", "rd", "nsid", "answers"))
		}
		e, err := Declare(d)
		if err != nil { // no such field there, or twice the same
			continue
		}
		u := Use{Entry: e, Params: Params{Ties: rng.IntN(2) == 0, Mnemonics: rng.IntN(2) == 0}}
		if rng.IntN(3) == 0 {
			bits := 8 + rng.IntN(2)
			u.Prefix4 = &bits
		}
		if w, err := CompileWhere(pick("rd", `qtype == "A"`, "100 / (size - 45) > 1", "100 % answers == 0")); err == nil && rng.IntN(2) == 0 {
			u.Where = w
		}
		uses = append(uses, u)
		for rng.IntN(2) == 0 { // one like it
			v := u
			switch rng.IntN(4) {
			case 0:
				v.Ties = !v.Ties
			case 1:
				v.Mnemonics = !v.Mnemonics
			case 2:
				v.MaxKeys = 5000
			default:
				d.Top = 3 - d.Top
				if other, err := Declare(d); err == nil {
					v.Entry = other
				}
			}
			uses = append(uses, v)
		}
	}
	rng.Shuffle(len(uses), func(i, j int) { uses[i], uses[j] = uses[j], uses[i] })
	return uses
}

// TestDeclaredTogether: reducers of users report the same alone and among others,
// by any batches and workers.
func TestDeclaredTogether(t *testing.T) {
	for seed := range uint64(15) {
		rng := rand.New(rand.NewPCG(seed, 4))
		uses := declaredUses(rng, 40)
		msgs := answered(seed, traffic(t, seed, 600))
		want := shared(t, uses, 1, msgs)
		for _, workers := range []int{1, 3} {
			got := sharedBatches(t, uses, workers, msgs, func() int { return 1 + rng.IntN(batchLen) })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("seed %d, batches, %d workers: %s", seed, workers, diff)
			}
		}
		for i := range uses {
			var got []string
			for n := i; n < len(want); n += len(uses) {
				got = append(got, want[n])
			}
			if diff := cmp.Diff(shared(t, uses[i:i+1], 1, msgs), got); diff != "" {
				t.Errorf("seed %d: %+v %+v among others: %s", seed, uses[i].Entry, uses[i].Params, diff)
			}
		}
	}
}

// TestQueriesHeldByBatches: at the bound of what is held of queries it does not
// matter either.
func TestQueriesHeldByBatches(t *testing.T) {
	var list []msg
	for i := range 40 {
		q := msg{at: float64(i) * 0.01, from: alice, to: ns, id: uint16(i), flags: query, qname: fmt.Sprintf("n%d.example.org.", i), qtype: 1}
		list = append(list, q)
		if i%2 == 0 {
			q.at, q.from, q.to, q.flags = q.at+0.005, q.to, q.from, noerr
			list = append(list, q)
		}
	}
	e, err := Find("TopSlow")
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for _, size := range []int{1, 7, batchLen} {
		g := NewGroup([]Use{{Entry: e}}, 1)
		g.tracker.heldLimit = 8000
		w, b := g.NewWindow(), testBatch(t)
		for _, m := range makeAll(t, list) {
			if b.Len() == size {
				w.AddBatch(b)
				b.Clear()
			}
			b.take(m)
		}
		w.AddBatch(b)
		b.Clear()
		w.Close(b.Single(), base+100e9, true)
		var r report.Report
		w.Report(0, &r)
		got := fmt.Sprint(r.Window.Keyless, string(r.Data))
		if want == "" {
			want = got
		}
		if got != want || g.tracker.held != 0 {
			t.Errorf("batches of %d: %s, %d octets held, want %s", size, got, g.tracker.held, want)
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

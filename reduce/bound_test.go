package reduce

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"ratadns/dns"
	"ratadns/report"
	"ratadns/speedy"
)

// longName is a name of 255 octets on the wire, all but six of them filler,
// with n in them and an underscore in its first label.
func longName(n int, filler byte) []byte {
	var wire []byte
	for _, size := range []int{63, 63, 63, 61} {
		wire = append(wire, byte(size))
		for range size {
			wire = append(wire, filler)
		}
	}
	wire[1] = '_'
	for i := 2; i < 7; i++ {
		wire[i] = 'a' + byte(n&15)
		n >>= 4
	}
	return append(wire, 0)
}

// flood calls f with n queries for different names of the worst kind, from n
// clients, each QTYPE after the other where types is set.
func flood(t testing.TB, n int, filler byte, clients int, types bool, f func(*speedy.Message)) {
	t.Helper()
	m := msg{at: 1, from: alice, to: ns, flags: query, qname: "a.", qtype: 1}.make(t)
	wire := append(m.Wire[:dns.HeaderLen:dns.HeaderLen], longName(0, filler)...)
	wire = append(wire, 0, 1, 0, 1)
	for i := range n {
		copy(wire[dns.HeaderLen:], longName(i, filler))
		if types {
			binary.BigEndian.PutUint16(wire[len(wire)-4:], uint16(i/clients))
		}
		binary.BigEndian.PutUint16(wire, uint16(i))
		if err := m.Unpack(wire); err != nil {
			t.Fatal(err)
		}
		a := netip.MustParseAddr("2001:db8::").As16()
		binary.BigEndian.PutUint32(a[12:], uint32(i%clients))
		m.Source = netip.AddrFrom16(a)
		f(m)
	}
}

// TestReportFits: no report is over 8 MiB whatever the names, and whatever the
// configuration allows.
func TestReportFits(t *testing.T) {
	const n = 8000 // names of 1.3 kB in JSON
	// As far as the configuration goes.
	most := Params{Top: 1_000_000, MaxKeys: 10_000_000, Samples: 1_000_000, Ties: true}
	for _, e := range Catalog {
		for _, c := range []struct {
			what    string
			p       Params
			n       int
			filler  byte
			clients int
			types   bool
		}{
			{"octets ff", Params{}, 25_000, 0xff, 25_000, false}, // more than max_keys
			{"backslashes", most, n, '\\', n, false},
			{"quotes", most, n, '"', n, false},
			{"octets ff, most keys", most, n, 0xff, n, false},
			{"one client of all types", most, n, 0xff, 1, true},
		} {
			if testing.Short() && c.what != "octets ff, most keys" {
				continue
			}
			t.Run(e.Name+"/"+c.what, func(t *testing.T) {
				b := newBench(t, e.Name, c.p)
				r := b.make()
				flood(t, c.n, c.filler, c.clients, c.types, func(m *speedy.Message) { b.add(r, m) })
				rep := b.report(t, r, 0, 10, true) // checks its size
				if len(rep.Data) > maxData+maxData/16 {
					t.Errorf("data of %d octets, want about %d at most", len(rep.Data), maxData)
				}
			})
		}
	}
}

// TestSummaryFits: clients that ask for many types are many small lists.
func TestSummaryFits(t *testing.T) {
	for _, name := range []string{"PacketSummary", "QueriesSummary"} {
		b := newBench(t, name, Params{})
		r := b.make()
		const clients, types = 20_000, 40
		m := msg{at: 1, from: alice, to: ns, flags: query, qname: "a.", qtype: 1}.make(t)
		for i := range clients * types {
			a := netip.MustParseAddr("2001:db8::").As16()
			binary.BigEndian.PutUint32(a[12:], uint32(i%clients))
			m.Source = netip.AddrFrom16(a)
			m.Questions[0].Qtype = uint16(0xff00 + i/clients)
			b.add(r, m)
		}
		lists := 0
		for _, c := range r.reducers[0].(*summary).clients {
			for range c.types() {
				lists++
			}
		}
		rep := b.report(t, r, 0, 10, true)
		shown := uint64(leaves(t, rep.Data))
		if name == "QueriesSummary" {
			shown = uint64(lists) // one name each
		}
		if shown+rep.Window.Skipped != clients*types || shown < 100_000 {
			t.Errorf("%s: %d names shown and %d skipped, want together %d", name, shown, rep.Window.Skipped, clients*types)
		}
		if lists > maxData/16 {
			t.Errorf("%s: %d lists in %d octets", name, lists, len(rep.Data))
		}
	}
}

// TestClientsAndSamples: twenty thousand clients with a thousand samples each
// are more than fit.
func TestClientsAndSamples(t *testing.T) {
	b := newBench(t, "PacketSummary", Params{})
	r := b.make()
	const clients, each = 20_000, 10
	m := msg{at: 1, from: alice, to: ns, flags: query, qname: "a-name-of-some-length-as-they-come.example.org.", qtype: 1}.make(t)
	for i := range clients * each {
		m.Source = netip.AddrFrom4([4]byte{10, byte(i % clients >> 16), byte(i % clients >> 8), byte(i % clients)})
		b.add(r, m)
	}
	rep := b.report(t, r, 0, 10, true)
	shown := uint64(leaves(t, rep.Data))
	if shown+rep.Window.Skipped != clients*each || shown == clients*each {
		t.Errorf("%d shown and %d skipped of %d", shown, rep.Window.Skipped, clients*each)
	}
	// The data are used up to their bound, less what the last item was too big for.
	if len(rep.Data) < maxData/2 {
		t.Errorf("data of %d octets, of %d", len(rep.Data), maxData)
	}
}

// TestState: a table that was cut carries 2048 keys, the largest, and says what
// the rest were.
func TestState(t *testing.T) {
	b := newBench(t, "TopNQ", Params{})
	r := b.make()
	m := msg{at: 1, from: alice, to: ns, flags: query, qname: "name00000.", qtype: 1}.make(t)
	sum := uint64(0)
	for i := range 5000 {
		copy(m.Wire[dns.HeaderLen+1:], fmt.Sprintf("name%05d", i))
		for range 1 + i/1000 {
			b.add(r, m)
			sum++
		}
	}
	rep := b.report(t, r, 0, 10, true) // checks the number of keys
	var v report.Value
	if err := v.Merge(&report.Report{Shape: report.TableOf, Data: rep.State}); err != nil {
		t.Fatal(err)
	}
	state := string(v.AppendData(nil, 10, 0))
	n, rest := strings.Count(state, `"name`), uint64(0)
	for i := range 5000 {
		if !strings.Contains(state, fmt.Sprintf(`"name%05d."`, i)) {
			rest += uint64(1 + i/1000)
			if i >= 4000 {
				t.Fatalf("name%05d. is one of the largest and missing", i)
			}
		}
	}
	if want := fmt.Sprintf(`"-:SKIPPED:-":%d,"-:SKIPPED_SUM:-":%d,`, 5000-n, rest); n < 2000 || !strings.Contains(state, want) {
		t.Errorf("state has %d names and not %s: %.200s", n, want, state)
	}
}

// TestOneHugeMessage: a query that repeats one long name by compression is
// megabytes of JSON.
func TestOneHugeMessage(t *testing.T) {
	m := hugeQuery(t, 2500)
	b := newBench(t, "Identity", Params{})
	b.event.Set(m)
	if n := len(b.event.Object()); n < 3<<20 {
		t.Fatalf("object has %d octets only", n)
	}
	for _, e := range Catalog {
		b := newBench(t, e.Name, Params{})
		r := b.make()
		var data [2]string
		for i := range data { // the second window has as much room
			for range 5 {
				b.add(r, m)
			}
			data[i] = string(b.report(t, r, 0, 10, true).Data) // checks its size
			forget(r)
		}
		if data[0] != data[1] {
			t.Errorf("%s: %d octets of data, then %d", e.Name, len(data[0]), len(data[1]))
		}
	}
}

// hugeQuery has so many questions with one name of 255 octets.
func hugeQuery(t testing.TB, questions int) *speedy.Message {
	return msg{at: 1, from: alice, to: ns, flags: query, qname: "a.", qtype: 1, change: func(wire []byte) []byte {
		wire = append(wire[:dns.HeaderLen], longName(1, 0xff)...)
		wire = append(wire, 0, 1, 0, 1)
		binary.BigEndian.PutUint16(wire[4:], uint16(questions))
		for range questions - 1 {
			wire = append(wire, 0xc0, dns.HeaderLen, 0, 1, 0, 1)
		}
		return wire
	}}.make(t)
}

// inUse is the heap that is in use.
func inUse() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// TestMemory: a million queries for different names, from as many clients and
// without a response, need no more memory than a hundred thousand of them.
func TestMemory(t *testing.T) {
	n, limit := 1_000_000, int64(128<<20)
	if testing.Short() {
		n = 200_000
	}
	for _, e := range Catalog {
		t.Run(e.Name, func(t *testing.T) {
			b := newBench(t, e.Name, Params{})
			m := msg{at: 1, from: alice, to: ns, flags: query, qname: "a_0000000.example.org.", qtype: 1}.make(t)
			before := inUse()
			r := b.make()
			for i := range n {
				for j, k := dns.HeaderLen+9, i; k > 0; j, k = j-1, k/10 {
					m.Wire[j] = '0' + byte(k%10)
				}
				m.ID, m.SourcePort = uint16(i), uint16(i>>16)
				m.Source = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
				b.add(r, m)
			}
			if used := inUse() - before; used > limit {
				t.Errorf("%d MiB in use", used>>20)
			}
			runtime.KeepAlive(r)
			b.report(t, r, 0, 10, true)
		})
	}
}

// TestMemoryOfHugeMessages: neither do queries of megabytes that wait for their
// response.
func TestMemoryOfHugeMessages(t *testing.T) {
	b := newBench(t, "AlonePackets", Params{})
	m := hugeQuery(t, 300)
	before := inUse()
	r := b.make()
	const n = 1000 // half a gigabyte of JSON
	for i := range n {
		m.ID = uint16(i)
		b.add(r, m)
	}
	if used := inUse() - before; used > 128<<20 {
		t.Errorf("%d MiB in use", used>>20)
	}
	rep := b.report(t, r, 0, 10, true)
	d := parseAlone(t, rep)
	if shown := len(objects(t, d.Queries)); d.NQ != n || uint64(shown)+rep.Window.Skipped != n || shown == 0 {
		t.Errorf("%d queries alone, %d shown, %d skipped, want %d", d.NQ, shown, rep.Window.Skipped, n)
	}
}

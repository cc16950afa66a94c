package reduce

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"ratadns/dns"
	"ratadns/packet"
	"ratadns/report"
	"ratadns/speedy"
)

// base is the beginning of the window that most tests use, 2016-10-06T13:55:00Z.
const base = int64(1_475_762_100_000_000_000)

// A msg is one message as a line of a table. Header words: 0100 is a query,
// 8180 a response, 8183 an NXDOMAIN.
type msg struct {
	at       float64 // seconds after base
	from, to string
	id       uint16
	flags    uint16
	qname    string // presentation form; "" is no question
	qtype    uint16
	change   func([]byte) []byte // of the wire form
}

// The ends that the tables talk of.
const (
	alice  = "192.0.2.10:40000"
	bob    = "192.0.2.11:40000"
	carol  = "[2001:db8::10]:40000"
	ns     = "198.51.100.53:53"
	ns6    = "[2001:db8:53::53]:53"
	query  = uint16(0x0100)
	noerr  = uint16(0x8180)
	nxdom  = uint16(0x8183)
	former = uint16(0x8001)
)

// promise adds a record to the header's count that is not there.
func promise(wire []byte) []byte { wire[7]++; return wire }

// cutName ends the message inside its first name.
func cutName(wire []byte) []byte { return wire[:dns.HeaderLen+3] }

// make is the message, read back from its wire form.
func (l msg) make(t testing.TB) *speedy.Message {
	t.Helper()
	wire := make([]byte, dns.HeaderLen)
	binary.BigEndian.PutUint16(wire, l.id)
	binary.BigEndian.PutUint16(wire[2:], l.flags)
	if l.qname != "" {
		wire[5] = 1
		var err error
		if wire, _, err = dns.AppendWire(wire, []byte(l.qname)); err != nil {
			t.Fatalf("%q: %v", l.qname, err)
		}
		wire = binary.BigEndian.AppendUint16(wire, l.qtype)
		wire = binary.BigEndian.AppendUint16(wire, 1)
	}
	if l.change != nil {
		wire = l.change(wire)
	}
	m := new(speedy.Message)
	_ = m.Unpack(wire) // a malformed one is as good
	from, to := netip.MustParseAddrPort(l.from), netip.MustParseAddrPort(l.to)
	m.Source, m.SourcePort = from.Addr(), from.Port()
	m.Dest, m.DestPort = to.Addr(), to.Port()
	m.Time = base + int64(l.at*1e9+0.5)
	m.Transport, m.Size, m.Has = packet.UDP, len(wire), speedy.FieldsAll
	m.FromServer = m.QR()
	return m
}

func makeAll(t testing.TB, lines []msg) []*speedy.Message {
	t.Helper()
	var all []*speedy.Message
	for _, l := range lines {
		all = append(all, l.make(t))
	}
	return all
}

func plain(t testing.TB) *speedy.Anonymizer {
	a, err := speedy.NewAnonymizer(speedy.None, speedy.Key{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// NewEvent returns an Event of its own, whose addresses go through anon.
func NewEvent(anon *speedy.Anonymizer) *Event { return &Event{common: newCommon(anon)} }

// A bench drives one reducer as Fievel does.
type bench struct {
	entry *Entry
	group *Group
	event *Event
}

func newBench(t testing.TB, name string, p Params) *bench {
	t.Helper()
	e, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{entry: e, group: NewGroup([]Use{{Entry: e, Params: p}}, max(p.Workers, 1)), event: NewEvent(plain(t))}
}

func (b *bench) make() *Window { return b.group.NewWindow() }

func (b *bench) add(w *Window, m *speedy.Message) {
	b.event.Set(m)
	w.Add(b.event)
}

// report makes the report of [start, end), which are seconds after base. What
// no report may fail to be is checked here, so that every test checks it:
// within 8 MiB, readable, of at most 2048 keys of state, and mergeable.
func (b *bench) report(t testing.TB, w *Window, start, end float64, final bool) *report.Report {
	t.Helper()
	rep := &report.Report{Type: b.entry.Name, ServerID: "server1", Window: report.Window{
		Start: base + int64(start*1e9), End: base + int64(end*1e9), Seq: 1, Messages: w.Messages, Malformed: w.Malformed,
	}}
	w.Close(b.event, rep.Window.End, final)
	w.Report(0, rep)
	line := rep.Append(nil)
	w.Reset()
	if len(line) > report.MaxReport {
		t.Fatalf("%s: report of %d octets, want at most %d", b.entry.Name, len(line), report.MaxReport)
	}
	read, err := report.Parse(line)
	if err != nil {
		t.Fatalf("%s: %v\n%.2000s", b.entry.Name, err, line)
	}
	if n := keys(t, read.State); n > report.MaxState {
		t.Errorf("%s: state has %d keys, want at most %d", b.entry.Name, n, report.MaxState)
	}
	var v report.Value
	if err := v.Merge(read); err != nil {
		t.Fatalf("%s: %v\n%.2000s", b.entry.Name, err, line)
	}
	return read
}

// one reduces all messages to the report of a window of ten seconds, which
// ends the input.
func one(t testing.TB, name string, p Params, msgs []*speedy.Message) *report.Report {
	t.Helper()
	b := newBench(t, name, p)
	r := b.make()
	for _, m := range msgs {
		b.add(r, m)
	}
	return b.report(t, r, 0, 10, true)
}

// times repeats a message.
func times(n int, m *speedy.Message) []*speedy.Message {
	return slices.Repeat([]*speedy.Message{m}, n)
}

// askFor is n queries of alice's for a name.
func askFor(t testing.TB, n int, name string) []*speedy.Message {
	return times(n, msg{from: alice, to: ns, flags: query, qname: name, qtype: 1}.make(t))
}

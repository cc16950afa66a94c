package speedy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"

	"ratadns/capture"
	"ratadns/capture/sample"
	"ratadns/dns"
)

// rootCapture is the root server's minute as an uncompressed pcap.
func rootCapture(t testing.TB) []byte {
	t.Helper()
	f, err := os.Open(shared(t, "captures/root-server.pcap.xz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := xz.NewReader(f, 0)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sampleCapture is the bundled capture as an uncompressed pcap.
func sampleCapture(t testing.TB) []byte {
	t.Helper()
	r, err := zstd.NewReader(bytes.NewReader(sample.Pcap))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// openPcap reads a capture from memory.
func openPcap(t testing.TB, b []byte) capture.Source {
	t.Helper()
	src, err := capture.NewReader("test", bytes.NewReader(b), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// collect is a handler that gives each message to a function.
type collect struct {
	dec *Decoder
	f   func(m *Message)
}

func (c collect) Order(l *Load) {}

func (c collect) Work(l *Load, worker int) {
	for i := range l.Found {
		c.f(c.dec.Decode(l.Found[i]))
	}
}

func (c collect) Flush(l *Load) error { return nil }

// each runs a capture through one worker.
func each(t *testing.T, pcap []byte, f func(m *Message)) Stats {
	t.Helper()
	dec := NewDecoder(NewSides([]uint16{53}, nil), true)
	e := NewEngine(DefaultConfig(), collect{dec, f})
	if err := e.Run(context.Background(), openPcap(t, pcap)); err != nil {
		t.Fatal(err)
	}
	stats := e.Stats()
	stats.Malformed = dec.Malformed
	ledger(t, stats)
	return stats
}

// tally counts messages as the tables of the captures' descriptions do.
type tally map[string]int

func (c tally) add(m *Message) {
	c["messages"]++
	over := m.Transport.String() + "6"
	if m.Source.Is4() {
		over = m.Transport.String() + "4"
	}
	c[over]++
	if m.QR() {
		c["responses"]++
	} else {
		c["queries"]++
	}
}

// The numbers here were made with tshark 4.0.17 and two other programs.
func TestRootCounts(t *testing.T) {
	got, qtypes := tally{}, map[string]int{}
	stats := each(t, rootCapture(t), func(m *Message) {
		got.add(m)
		for _, q := range m.Questions {
			qtypes[dns.TypeName(q.Qtype)]++
		}
	})
	want := tally{"messages": 20864, "queries": 10432, "responses": 10432, "udp4": 18376, "udp6": 2276, "tcp4": 166, "tcp6": 46}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	// Three questions for AAAA, of 4,853, have a name of more than 255 octets.
	// It cannot be read, and so neither can what stands behind it.
	for name, n := range map[string]int{"A": 11932, "AAAA": 4853 - 3, "NS": 1106, "PTR": 786, "SRV": 624, "DS": 534} {
		if qtypes[name] != n {
			t.Errorf("%d questions for %s, want %d", qtypes[name], name, n)
		}
	}
	if stats.Received != 21804 || stats.NotDNSPort != 86 || stats.Streams.Messages != 20864 || stats.Malformed != 3 {
		t.Errorf("%+v", stats)
	}
}

// The numbers are those of the sample's README, by tshark, less three messages
// over UDP and three over TCP that have fewer than twelve octets.
func TestSampleCounts(t *testing.T) {
	got := tally{}
	stats := each(t, sampleCapture(t), got.add)
	want := tally{"messages": 47133 - 6, "queries": 24750 - 6, "responses": 22383, "udp4": 28309, "udp6": 16481, "tcp4": 2058, "tcp6": 279}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if udp, tcp := want["udp4"]+want["udp6"], want["tcp4"]+want["tcp6"]; udp != 44793-3 || tcp != 2340-3 {
		t.Errorf("%d over UDP, %d over TCP", udp, tcp)
	}
	// 99 fragments are 33 datagrams; 145 ARP, 253 ICMP.
	if stats.Joined != 99-33 || stats.Fragments != 0 || stats.NotIP != 145 || stats.NotDNSPort != 253 || stats.Streams.Lost != 0 {
		t.Errorf("%+v", stats)
	}
}

// The JSON of a real capture is read back whole, and is the same octets for
// any number of workers.
func TestSampleJSON(t *testing.T) {
	pcap := sampleCapture(t)
	var want []byte
	for _, workers := range []int{1, 2, 3, 8} {
		var out bytes.Buffer
		s, err := Write(t.Context(), openPcap(t, pcap), &out, DefaultConfig(), workers, FieldsDefault, anonymizer(t, None, Key{}))
		if err != nil {
			t.Fatal(err)
		}
		ledger(t, s)
		if workers == 1 {
			want = out.Bytes()
		} else if !bytes.Equal(out.Bytes(), want) {
			t.Fatalf("%d workers: %d octets, otherwise %d", workers, out.Len(), len(want))
		}
	}
	e := NewEncoder(FieldsAll, anonymizer(t, None, Key{}))
	r := NewReader(bytes.NewReader(want))
	var m Message
	var again []byte
	for off := 0; ; off += len(again) {
		if err := r.Next(&m); err != nil {
			if err != io.EOF || off != len(want) || r.Stats != (ReaderStats{Messages: 47127}) {
				t.Errorf("%v at %d of %d octets, %+v", err, off, len(want), r.Stats)
			}
			return
		}
		if again = e.AppendFramed(again[:0], &m); !bytes.HasPrefix(want[off:], again) {
			t.Fatalf("written again %s, was %.300s", again, want[off:])
		}
	}
}

// What tshark says of the messages of one frame: values of each, one after
// the other.
type judged struct{ ids, flags, names, types []string }

// judge runs tshark over a capture. Its idea of a message's place is ours: the
// frame that completes it.
func judge(t *testing.T, pcap []byte) map[uint64]judged {
	t.Helper()
	tshark := program(t, "tshark")
	path := filepath.Join(t.TempDir(), "capture.pcap")
	if err := os.WriteFile(path, pcap, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tshark, "-n", "-r", path, "-Y", "dns && !icmp && !icmpv6", "-T", "fields",
		"-e", "frame.number", "-e", "dns.id", "-e", "dns.flags", "-e", "dns.qry.name", "-e", "dns.qry.type").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[uint64]judged)
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 5 {
			t.Fatalf("tshark: %q", line)
		}
		frame, err := strconv.ParseUint(f[0], 10, 64)
		if err != nil {
			t.Fatalf("tshark: %q", line)
		}
		list := func(s string) []string {
			if s == "" {
				return nil
			}
			return strings.Split(s, ",")
		}
		all[frame] = judged{list(f[1]), list(f[2]), list(f[3]), list(f[4])}
	}
	return all
}

// tsharkName writes a name as tshark prints it: without the last dot, labels'
// octets as they are, control characters as C has them. ascii is false where
// there are octets outside ASCII, which tshark takes for UTF-8.
func tsharkName(m *Message, off int) (s string, ascii bool) {
	text, _, _ := dns.AppendName(nil, m.Wire, off)
	return tsharkText(text)
}

// tsharkText does so with a name in presentation form.
func tsharkText(text []byte) (s string, ascii bool) {
	labels, _, err := dns.AppendWire(nil, text)
	if err != nil {
		panic(err)
	}
	var b []byte
	ascii = true
	for len(labels) > 1 {
		if len(b) > 0 {
			b = append(b, '.')
		}
		n := int(labels[0])
		for _, c := range labels[1 : 1+n] {
			if i := strings.IndexByte("\a\b\t\n\v\f\r", c); i >= 0 {
				b = append(b, '\\', "abtnvfr"[i])
			} else if c < 0x20 || c == 0x7f {
				b = append(b, fmt.Sprintf("\\%03o", c)...)
			} else {
				b = append(b, c)
			}
			ascii = ascii && c < 0x80
		}
		labels = labels[1+n:]
	}
	if len(b) == 0 {
		return "<Root>", true
	}
	return string(b), ascii
}

// ascii is s without all else.
func ascii(s string) string {
	b := []byte(s)
	return string(slices.DeleteFunc(b, func(c byte) bool { return c >= 0x80 }))
}

// octets has a character for each octet.
func octets(names []string) string {
	var r []rune
	for _, c := range []byte(strings.Join(names, "")) {
		r = append(r, rune(c))
	}
	return string(r)
}

// compareTshark compares id, flags, QTYPE and QNAME of every message, in order.
// It returns how many frames are equal, and how many differ for each of the
// reasons that are known.
func compareTshark(t *testing.T, pcap []byte) (known map[string]int) {
	want := judge(t, pcap)
	known = make(map[string]int)
	got := make(map[uint64]judged)
	unread := make(map[uint64]dns.Reason)
	foreign := make(map[uint64]bool)
	last := uint64(0)
	each(t, pcap, func(m *Message) {
		if m.Place < last {
			t.Errorf("message of frame %d after one of frame %d", m.Place+1, last+1)
		}
		last = m.Place
		frame := m.Place + 1
		j := got[frame]
		j.ids = append(j.ids, fmt.Sprintf("0x%04x", m.ID))
		j.flags = append(j.flags, fmt.Sprintf("0x%04x", m.Flags))
		for i := range m.Questions {
			s, ascii := tsharkName(m, m.Questions[i].NameOff)
			foreign[frame] = foreign[frame] || !ascii
			j.names = append(j.names, s)
			j.types = append(j.types, strconv.Itoa(int(m.Questions[i].Qtype)))
		}
		got[frame] = j
		if len(m.Questions) < int(m.Counts[0]) {
			unread[frame] = m.Malformed
		}
	})
	frames := make(map[uint64]bool)
	for f := range want {
		frames[f] = true
	}
	for f := range got {
		frames[f] = true
	}
	for f := range frames {
		g, w := got[f], want[f]
		header := slices.Equal(g.ids, w.ids) && slices.Equal(g.flags, w.flags)
		fold := func(names []string) string { return strings.ToLower(strings.Join(names, ",")) }
		switch {
		// Fewer than twelve octets are DNS for tshark, and not for us.
		case len(g.ids) == 0 && len(w.ids) <= 1 && len(w.types) == 0:
			known["short"]++
		// tshark puts a remark in place of a name that it cannot read and goes
		// on behind it; we stop there.
		case header && unread[f] == dns.ErrPointer && strings.Contains(fold(w.names), "<name contains a pointer that loops>"),
			header && unread[f] == dns.ErrNameTooLong && strings.Contains(fold(w.names), "<name too long>"):
			known[unread[f].String()]++
		case !header || !slices.Equal(g.types, w.types):
			t.Errorf("frame %d: %q, tshark has %q", f, g, w)
		// tshark decodes C0 and C1, which UTF-8 does not allow, as if they began a
		// character of ASCII, and escapes marks of direction.
		case foreign[f] && (strings.ContainsAny(octets(g.names), "ÀÁ") || strings.Contains(fold(w.names), `\u`)):
			known["UTF-8 of tshark's own"]++
		case ascii(fold(g.names)) != ascii(fold(w.names)):
			t.Errorf("frame %d: names %q, tshark has %q", f, g.names, w.names)
		// Only the octets in ASCII can be compared; of the others tshark makes
		// replacement characters where they are not UTF-8.
		case foreign[f]:
			known["octets outside ASCII"]++
		default:
			known["equal"]++
		}
	}
	return known
}

func TestRootTshark(t *testing.T) {
	got := compareTshark(t, rootCapture(t))
	want := map[string]int{"equal": 20193, "octets outside ASCII": 624, "UTF-8 of tshark's own": 44, "name-too-long": 3}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("frames (-want +got):\n%s", diff)
	}
}

func TestSampleTshark(t *testing.T) {
	got := compareTshark(t, sampleCapture(t))
	want := map[string]int{"equal": 47090, "octets outside ASCII": 16, "name-too-long": 4, "pointer": 8, "short": 6}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("frames (-want +got):\n%s", diff)
	}
}

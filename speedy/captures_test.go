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
	"github.com/ulikunitz/xz"

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
	r, err := xz.NewReader(f)
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
type collect func(m *Message)

func (c collect) Message(m *Message) { c(m) }

// each runs a capture through one worker.
func each(t *testing.T, pcap []byte, f func(m *Message)) Stats {
	t.Helper()
	e := NewEngine(DefaultConfig(), collect(f))
	if err := e.Run(context.Background(), openPcap(t, pcap), func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	ledger(t, e.Stats())
	return e.Stats()
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
	for name, n := range map[string]int{"A": 11932, "AAAA": 4853, "NS": 1106, "PTR": 786, "SRV": 624, "DS": 534} {
		if qtypes[name] != n {
			t.Errorf("%d questions for %s, want %d", qtypes[name], name, n)
		}
	}
	if stats.Received != 21804 || stats.Streams.Messages != 20864 {
		t.Errorf("%+v", stats)
	}
	t.Logf("%+v", stats)
}

func TestSampleCounts(t *testing.T) {
	got := tally{}
	stats := each(t, sampleCapture(t), got.add)
	t.Logf("%v %+v", got, stats)
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

func compareTshark(t *testing.T, pcap []byte, known map[uint64]string) {
	want := judge(t, pcap)
	got := make(map[uint64]judged)
	each(t, pcap, func(m *Message) {
		j := got[m.Place+1]
		j.ids = append(j.ids, fmt.Sprintf("0x%04x", m.ID))
		j.flags = append(j.flags, fmt.Sprintf("0x%04x", m.Flags))
		for _, q := range m.Questions {
			s, _, _ := dns.AppendName(nil, m.Wire, q.NameOff)
			n := strings.TrimSuffix(string(s), "."); if n=="" {n="<Root>"}; j.names = append(j.names, n)
			j.types = append(j.types, strconv.Itoa(int(q.Qtype)))
		}
		got[m.Place+1] = j
	})
	var frames []uint64
	for f := range want {
		frames = append(frames, f)
	}
	for f := range got {
		if _, ok := want[f]; !ok {
			frames = append(frames, f)
		}
	}
	slices.Sort(frames)
	for _, f := range frames {
		g, w := got[f], want[f]
		if cmp.Diff(w.ids, g.ids)+cmp.Diff(w.flags, g.flags)+cmp.Diff(w.types, g.types) != "" {
			t.Errorf("frame %d: %+v, want %+v", f, g, w)
			continue
		}
		if strings.Join(w.names, ",") != strings.Join(g.names, ",") {
			t.Errorf("names frame %d: %+v, want %+v", f, g, w)
		}
	}
}

func TestRootTshark(t *testing.T)   { compareTshark(t, rootCapture(t), nil) }
func TestSampleTshark(t *testing.T) { compareTshark(t, sampleCapture(t), nil) }

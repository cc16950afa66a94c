package speedy

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"ratadns/capture"
)

// quiet is a log that nobody reads.
var quiet = slog.New(slog.DiscardHandler)

var update = flag.Bool("update", false, "write testdata/cases.txt anew")

// caseFiles are the captures of one case each.
func caseFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("../capture/cases/*.pcap*")
	if err != nil || len(files) < 100 {
		t.Fatalf("%d captures, %v", len(files), err)
	}
	return files
}

// written runs Speedy over a capture.
func written(t testing.TB, src capture.Source, workers int, fields Fields) ([]byte, Stats) {
	t.Helper()
	defer src.Close()
	var out bytes.Buffer
	s, err := Write(t.Context(), src, &out, DefaultConfig(), workers, fields, anonymizer(t, None, Key{}))
	if err != nil {
		t.Error(err)
	}
	ledger(t, s)
	return out.Bytes(), s
}

// open reads a capture from its file.
func open(t testing.TB, path string) capture.Source {
	t.Helper()
	src, err := capture.Open([]string{path}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// spoken is a message as Speedy writes it, as far as the tests look at it.
type spoken struct {
	Time      json.RawMessage
	ID, Flags string
	Queries   []struct{ Qname, Qtype, Qclass string }
	EDNS      *struct{ Rcode string }
	Malformed *struct {
		Reason string
		Offset int
	}
}

// objects takes Speedy's output apart, with Go's own reader of JSON.
func objects(t testing.TB, out []byte) (all []spoken, raw [][]byte) {
	t.Helper()
	for len(out) > 0 {
		digits := bytes.IndexByte(out, '{')
		n, err := strconv.Atoi(string(out[:max(digits, 0)]))
		if err != nil || digits+n > len(out) {
			t.Fatalf("no length: %.40q", out)
		}
		var s spoken
		if err := json.Unmarshal(out[digits:digits+n], &s); err != nil {
			t.Fatalf("%v: %s", err, out[digits:digits+n])
		}
		all, raw = append(all, s), append(raw, out[digits:digits+n])
		out = out[digits+n:]
	}
	return all, raw
}

// TestCases holds what Speedy makes of the captures against what was reviewed:
// the doors of the packets, and the messages.
func TestCases(t *testing.T) {
	const golden = "testdata/cases.txt"
	// Where from, where to and when is what TestCasesAgainstTshark compares.
	const brief = FieldQueries | FieldAnswers | FieldAuthorities | FieldAdditionals | FieldSize | FieldEDNS
	var got bytes.Buffer
	for _, path := range caseFiles(t) {
		out, s := written(t, open(t, path), 1, brief)
		fmt.Fprintf(&got, "# %s: received %d, used %d", filepath.Base(path), s.Received, s.Streams.Used+s.Joined)
		for _, door := range []struct {
			name string
			n    uint64
		}{
			{"not IP", s.NotIP}, {"not a DNS port", s.NotDNSPort}, {"not DNS", s.Streams.NotDNS}, {"lost fragments", s.Fragments},
			{"lost TCP", s.Streams.Lost}, {"incomplete", s.Streams.Incomplete}, {"malformed", s.Malformed},
		} {
			if door.n > 0 {
				fmt.Fprintf(&got, ", %s %d", door.name, door.n)
			}
		}
		got.WriteByte('\n')
		_, raw := objects(t, out)
		for _, o := range raw {
			if n := len(o); n > 400 {
				o = fmt.Appendf(o[:200], " … %d octets", n)
			}
			fmt.Fprintf(&got, "%s\n", o)
		}
		got.WriteByte('\n')
	}
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

// secondRecord are captures whose format only the second record tells, which a pipe
// is not asked for.
var secondRecord = map[string]bool{"pcap-suse-6.3.pcap": true, "pcap-nokia.pcap": true, "pcap-redhat-6.1.pcap": true}

// TestCasesWorkers reads the captures with several workers, and in pieces as a
// pipe gives them: the octets are the same.
func TestCasesWorkers(t *testing.T) {
	for _, path := range caseFiles(t) {
		want, stats := written(t, open(t, path), 1, FieldsAll)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		same := func(how string, src capture.Source, err error, workers int) {
			t.Helper()
			if err != nil {
				t.Errorf("%s: %s: %v", path, how, err)
				return
			}
			if got, s := written(t, src, workers, FieldsAll); !bytes.Equal(got, want) || s != stats {
				t.Errorf("%s: %s with %d workers: %d octets, otherwise %d\n%+v\n%+v", path, how, workers, len(got), len(want), s, stats)
			}
		}
		for _, workers := range []int{2, 3, 8} {
			same("file", open(t, path), nil, workers)
		}
		if secondRecord[filepath.Base(path)] {
			continue
		}
		for how, r := range map[string]io.Reader{
			"octet by octet": iotest.OneByteReader(bytes.NewReader(b)),
			"by halves":      iotest.HalfReader(bytes.NewReader(b)),
			"end with data":  iotest.DataErrReader(bytes.NewReader(b)),
		} {
			src, err := capture.NewReader(path, r, quiet)
			same(how, src, err, 2)
		}
	}
}

// TestCasesCompressed reads a capture in three compressed parts, one after the
// other; package capture has more of these, xz among them.
func TestCasesCompressed(t *testing.T) {
	b, err := os.ReadFile("../capture/cases/tcp-axfr.pcap")
	if err != nil {
		t.Fatal(err)
	}
	want, _ := written(t, openPcap(t, b), 1, FieldsAll)
	for name, open := range map[string]func(w io.Writer) (io.WriteCloser, error){
		"gzip": func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil },
		"zstd": func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) },
		"lz4":  func(w io.Writer) (io.WriteCloser, error) { return lz4.NewWriter(w), nil },
	} {
		var parts bytes.Buffer
		for _, part := range [][]byte{b[:11], b[11:1000], b[1000:]} {
			z, err := open(&parts)
			if err != nil {
				t.Fatal(err)
			}
			z.Write(part)
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if got, _ := written(t, openPcap(t, parts.Bytes()), 1, FieldsAll); !bytes.Equal(got, want) {
			t.Errorf("%s: %d octets, otherwise %d", name, len(got), len(want))
		}
	}
}

// heard is what a program says of a capture.
type heard struct {
	Messages, Queries, Responses      int
	Times, IDs, Flags, Types, Classes []string
	Rcodes                            []string // upper eight bits, of messages with EDNS
	Names                             string   // octets outside ASCII left out
}

// hear makes it of Speedy's output.
func hear(t *testing.T, out []byte) (h heard) {
	t.Helper()
	hex := func(s string) uint64 {
		n, err := strconv.ParseUint(s, 16, 16)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	all, _ := objects(t, out)
	var names []string
	for _, m := range all {
		h.Messages++
		if hex(m.Flags)&0x8000 != 0 {
			h.Responses++
		} else {
			h.Queries++
		}
		h.Times = append(h.Times, string(m.Time))
		h.IDs = append(h.IDs, fmt.Sprintf("0x%04x", hex(m.ID)))
		h.Flags = append(h.Flags, fmt.Sprintf("0x%04x", hex(m.Flags)))
		if m.EDNS != nil {
			h.Rcodes = append(h.Rcodes, fmt.Sprintf("0x%02x", hex(m.EDNS.Rcode)>>4))
		}
		for _, q := range m.Queries {
			name, _ := tsharkText([]byte(q.Qname))
			names = append(names, name)
			h.Types = append(h.Types, strconv.FormatUint(hex(q.Qtype), 10))
			h.Classes = append(h.Classes, fmt.Sprintf("0x%04x", hex(q.Qclass)))
		}
	}
	h.Names = ascii(strings.Join(names, ","))
	return h
}

// hearTshark makes it of tshark's.
func hearTshark(t *testing.T, tshark, path string) (h heard) {
	t.Helper()
	cmd := exec.Command(tshark, "-n", "-r", path, "-o", "tcp.reassemble_out_of_order:TRUE", "-Y", "dns && !icmp && !icmpv6", "-T", "fields",
		"-e", "frame.time_epoch", "-e", "dns.id", "-e", "dns.flags", "-e", "dns.qry.type", "-e", "dns.qry.class", "-e", "dns.resp.ext_rcode", "-e", "dns.qry.name")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 7 {
			t.Fatalf("%s: tshark: %q", path, line)
		}
		list := func(s string) []string {
			if s == "" {
				return nil
			}
			return strings.Split(s, ",")
		}
		ids := list(f[1])
		h.Messages += len(ids)
		for range ids {
			h.Times = append(h.Times, f[0])
		}
		h.IDs = append(h.IDs, ids...)
		for _, flags := range list(f[2]) {
			if flags >= "0x8000" {
				h.Responses++
			} else {
				h.Queries++
			}
			h.Flags = append(h.Flags, flags)
		}
		h.Types, h.Classes, h.Rcodes = append(h.Types, list(f[3])...), append(h.Classes, list(f[4])...), append(h.Rcodes, list(f[5])...)
		if f[6] != "" {
			names = append(names, f[6])
		}
	}
	h.Names = ascii(strings.Join(names, ","))
	return h
}

// TestCasesAgainstTshark has tshark judge the captures: messages, queries and
// responses, and the lists of what they ask.
func TestCasesAgainstTshark(t *testing.T) {
	tshark := program(t, "tshark")
	names := map[string]bool{}
	for _, path := range caseFiles(t) {
		name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		names[name] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, _ := written(t, open(t, path), 1, FieldsAll)
			got, its := hear(t, out), hearTshark(t, tshark, path)
			if alter := tsharkDiffers[name]; alter != nil {
				if cmp.Equal(its, got) {
					t.Error("no difference any more")
				}
				alter(&its)
			}
			if diff := cmp.Diff(its, got); diff != "" {
				t.Errorf("(-tshark +speedy):\n%s", diff)
			}
		})
	}
	for name := range tsharkDiffers {
		if !names[name] {
			t.Errorf("no capture %s", name)
		}
	}
}

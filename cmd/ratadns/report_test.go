package main

import (
	"bytes"
	"context"
	"encoding/csv"
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

	"ratadns/capture"
	"ratadns/capture/cases"
	"ratadns/dns"
	"ratadns/reduce"
	"ratadns/speedy"
)

// answered is the answer of the program itself: what is measured of each key, and
// the log.
func answered(t *testing.T, args ...string) (map[string]string, string) {
	t.Helper()
	cmd := exec.Command(self(t), append([]string{"report", "--format", "csv"}, args...)...)
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, log.Bytes())
	}
	records, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]string)
	for _, r := range records[1:] {
		rows[strings.Join(r[:len(r)-1], ",")] = r[len(r)-1]
	}
	return rows, log.String()
}

func rootFile(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("RATADNS_SHARED")
	if dir == "" {
		t.Skip("RATADNS_SHARED is not set")
	}
	return filepath.Join(dir, "captures", "root-server.pcap.xz")
}

// The numbers here were made with tshark and other programs; see the captures'
// descriptions.
func TestReportKnownCounts(t *testing.T) {
	f := func(file string, want map[string]string, args ...string) {
		t.Helper()
		got, _ := answered(t, append([]string{"-r", file}, args...)...)
		for key, n := range want {
			if got[key] != n {
				t.Errorf("%s: %s is %s, want %s", args, key, got[key], n)
			}
		}
	}
	sample := samplePcap(t)
	f(sample, map[string]string{"": strconv.Itoa(47133 - 6)}) // six have fewer than twelve octets
	f(sample, map[string]string{"": "22383"}, "--of", "responses")
	f(sample, map[string]string{"NXDOMAIN": "6243", "REFUSED": "486", "SERVFAIL": "98"}, "--of", "responses", "--by", "rcode")
	f(sample, map[string]string{"set": "1387"}, "--of", "responses", "--by", "tc")
	f(sample, map[string]string{"TXT": "1299", "HTTPS": "830", "TYPE65400": "189"}, "--of", "queries", "--by", "qtype")

	root := rootFile(t)
	f(root, map[string]string{"clr": "10432", "set": "10432"}, "--by", "qr")
	f(root, map[string]string{"udp,IPv4": "18376", "udp,IPv6": "2276", "tcp,IPv4": "166", "tcp,IPv6": "46"}, "--by", "transport,ip_version")
	f(root, map[string]string{"A": "11932", "NS": "1106", "PTR": "786", "SRV": "624", "DS": "534"}, "--by", "qtype")
}

// tshark counts the same, but that it takes the six payloads of fewer than twelve
// octets in the sample for messages, which RFC 1035 §4.1.1 does not know.
func TestReportAsTshark(t *testing.T) {
	require(t, "tshark")
	files := map[string]string{"sample": samplePcap(t)}
	if os.Getenv("RATADNS_SHARED") != "" {
		files["root"] = rootFile(t)
	}
	for name, file := range files {
		plain := filepath.Join(t.TempDir(), name+".pcapng")
		if err := os.WriteFile(plain, cases.File(packetsOf(t, file)), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ dimension, field, of string }{
			{"qr", "dns.flags.response", "messages"},
			{"opcode", "dns.flags.opcode", "messages"},
			{"tc", "dns.flags.truncated", "responses"},
			{"aa", "dns.flags.authoritative", "responses"}, // of queries it shows some
			{"ra", "dns.flags.recavail", "responses"},
		} {
			want := tsharkCounts(t, plain, c.dimension, c.field)
			got, _ := answered(t, "-r", plain, "--of", c.of, "--by", c.dimension)
			if c.of == "responses" {
				delete(want, "clr")
				delete(got, "clr")
			}
			if name == "sample" && c.of == "messages" {
				for key, short := range map[string]int{"clr": 6, "OPCODE13": 3, "QUERY": 3} {
					want[key] = max(want[key]-short, 0)
				}
			}
			for key, n := range want {
				if n > 0 && got[key] != strconv.Itoa(n) || n == 0 && got[key] != "" {
					t.Errorf("%s by %s: %s is %q, tshark: %d", name, c.dimension, key, got[key], n)
				}
			}
			for key := range got {
				if want[key] == 0 {
					t.Errorf("%s by %s: there is %s, which tshark does not see", name, c.dimension, key)
				}
			}
		}
	}
}

// tsharkCounts counts the values of a field, under our keys.
func tsharkCounts(t *testing.T, file, dimension, field string) map[string]int {
	t.Helper()
	out, err := exec.Command("tshark", "-r", file, "-Y", "dns && !icmp && !icmpv6", "-T", "fields", "-e", field).Output()
	if err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]int)
	for _, v := range strings.FieldsFunc(string(out), func(r rune) bool { return r == ',' || r == '\n' }) {
		n, _ := strconv.ParseUint(v, 0, 16)
		switch {
		case dimension == "opcode":
			counts[dns.OpcodeName(uint8(n))]++
		case v == "1" || v == "True":
			counts["set"]++
		default:
			counts["clr"]++
		}
	}
	return counts
}

// However many share the work, the answer is the same octets.
func TestReportWorkers(t *testing.T) {
	files := []string{samplePcap(t)}
	if os.Getenv("RATADNS_SHARED") != "" {
		files = append(files, rootFile(t))
	}
	for _, file := range files {
		for _, args := range []string{
			"--by qname --top 30", "--by qtype,client --of queries", "--by rcode --of transactions --measure max:latency --format json",
			"--by rcode --of transactions", "--by qname,rcode,server --of responses --measure sum:size --format csv",
			"--every 30s --by qtype --of queries --measure rate --format json", "--use TopNQ", "--use PacketSummary", "--use AlonePackets",
		} {
			var want []byte
			for _, workers := range []string{"1", "2", "5"} {
				cmd := exec.Command(self(t), append([]string{"report", "-r", file, "--workers", workers}, strings.Fields(args)...)...)
				got, err := cmd.Output()
				if err != nil {
					t.Fatalf("%s: %v", args, err)
				}
				if want == nil {
					want = got
				}
				if !bytes.Equal(got, want) {
					t.Errorf("%s: the answer of %s workers differs from that of one", args, workers)
				}
			}
		}
	}
}

// What looks at nothing behind the questions counts as what reads all.
func TestReportReadsNoFurther(t *testing.T) {
	anon, err := speedy.NewAnonymizer(speedy.None, speedy.Key{})
	if err != nil {
		t.Fatal(err)
	}
	small, err := filepath.Glob("../../capture/cases/*.pcap*")
	if err != nil {
		t.Fatal(err)
	}
	answer := func(t *testing.T, e *reduce.Entry, files ...string) string {
		src, err := capture.Open(files, quiet)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		q := &question{entry: e}
		a := newAsking(q, speedy.NewSides([]uint16{53}, nil), anon, 1, reduce.DefaultFacts())
		if err := a.engine(speedy.DefaultConfig()).Run(context.Background(), src); err != nil {
			t.Fatal(err)
		}
		w, header := a.merge()
		r := w.Rows(0, 0)
		return fmt.Sprint(header.Messages, r.Keyless, r.Rows)
	}
	fewer := 0
	for i := range reduce.Fields {
		field := &reduce.Fields[i]
		for _, of := range []reduce.Scope{reduce.Queries, reduce.Transactions} {
			e := &reduce.Entry{Of: of, By: []string{field.Name}}
			if !e.OnlyQuestions() || reduce.ParseDimensions(e.By, of) != nil {
				continue
			}
			fewer++
			whole := *e
			whole.Where = func(*reduce.Event) bool { return true }
			for name, files := range map[string][]string{"sample": {samplePcap(t)}, "cases": small} {
				if got, want := answer(t, e, files...), answer(t, &whole, files...); got != want {
					t.Errorf("%s by %s: got  %.300s\nwant %.300s", name, field.Name, got, want)
				}
			}
		}
	}
	if fewer < 20 {
		t.Errorf("only %d questions read less", fewer)
	}
}

// A table is as wide as the terminal and no wider, and shows nothing that a
// terminal would obey.
func TestReportTable(t *testing.T) {
	q := &question{column: "count"}
	a := &answer{}
	a.By = []string{"qname", "qtype"}
	a.Rows.Rows = []reduce.Row{
		{Keys: []string{strings.Repeat("long-label.", 20), "TYPE65400"}, N: 600},
		{Keys: []string{"b\x1b[2J.example.org.", "A"}, N: 300},
		{Keys: []string{"c.example.org.", "AAAA"}, N: 1},
	}
	a.Sum, a.Left, a.Keys = 1000, 99, 7
	for _, width := range []int{0, 20, 40, 80, 200} {
		for _, blocks := range []bool{false, true} {
			for _, height := range []int{0, 5, 6, 24} {
				tab := table{answer: a, width: width, height: height, column: q.column, blocks: blocks}
				text := string(tab.append(nil))
				if strings.ContainsRune(text, '\x1b') {
					t.Errorf("width %d: control characters in %q", width, text)
				}
				lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
				if height > 0 && len(lines) > height {
					t.Errorf("height %d: %d lines\n%s", height, len(lines), text)
				}
				for _, line := range lines {
					if n := len([]rune(line)); width >= 40 && n > width {
						t.Errorf("width %d: a line of %d: %s", width, n, line)
					}
				}
			}
		}
	}
	tab := table{answer: a, width: 60, column: q.column}
	golden(t, "report-60.txt", tab.append(nil))
	tab.width, tab.blocks, tab.colour = 80, true, true
	golden(t, "report-80-colour.txt", tab.append(nil))
}

// golden compares b with what a file of testdata holds.
func golden(t *testing.T, name string, b []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, b, want)
	}
}

// On a terminal one table takes the place of the other; at the end the screen
// is as it was, with the last one.
func TestReportScreen(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	var out bytes.Buffer
	w := newReportWriter(&out, null, "table", &question{column: "count"}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	w.screen.file, w.live = null, true // which has no size: 80 by 24
	for i := range 3 {
		a := &answer{}
		a.By, a.Sum = []string{"qtype"}, uint64(i+1)
		a.Rows.Rows = []reduce.Row{{Keys: []string{"A"}, N: uint64(i + 1)}}
		if err := w.write(a); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if !strings.HasPrefix(text, enterScreen+home) || strings.Count(text, enterScreen) != 1 || strings.Count(text, home) != 3 {
		t.Errorf("got %q", text)
	}
	_, after, ok := strings.Cut(text, leaveScreen)
	if lines := strings.Split(after, "\n"); !ok || !slices.Contains(lines, "A"+strings.Repeat(" ", 10)+"3  100.00  "+strings.Repeat("#", 58)) {
		t.Errorf("after the screen has come back: %q", after)
	}
}

// TestReportPieces: which keys have room does not depend on how much of a capture is
// read at once.
func TestReportPieces(t *testing.T) {
	anon, err := speedy.NewAnonymizer(speedy.None, speedy.Key{})
	if err != nil {
		t.Fatal(err)
	}
	var packets []capture.Packet
	for i, p := range packetsOf(t, samplePcap(t)) {
		if i%3 != 0 { // so that queries stay without a response
			packets = append(packets, p)
		}
	}
	answer := func(piece int) string {
		q := &question{entry: &reduce.Entry{Of: reduce.Transactions, By: []string{"qname"}, Measure: reduce.Max, OfField: "size"}, params: reduce.Params{MaxKeys: 500}}
		a := newAsking(q, speedy.NewSides([]uint16{53}, nil), anon, 1, reduce.DefaultFacts())
		if err := a.engine(speedy.DefaultConfig()).Run(context.Background(), &pieces{packets, piece}); err != nil {
			t.Fatal(err)
		}
		w, _ := a.merge()
		return fmt.Sprint(w.Rows(0, 0))
	}
	want := answer(1 << 20)
	for _, piece := range []int{1, 7, 100, 257, 1000} {
		if got := answer(piece); got != want {
			t.Errorf("%d packets at once: got  %.300s\nwant %.300s", piece, got, want)
		}
	}
}

// pieces gives so many packets at once.
type pieces struct {
	packets []capture.Packet
	n       int
}

func (p *pieces) Read(b *capture.Batch) error {
	if len(p.packets) == 0 {
		return io.EOF
	}
	n := min(p.n, len(p.packets))
	b.Packets = append(b.Packets[:0], p.packets[:n]...)
	p.packets = p.packets[n:]
	return nil
}

func (p *pieces) Close() error { return nil }

package archive

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
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ratadns/capture"
)

// hour is the time of the test packets: 2016-10-06 13:00:00 UTC.
const hour = int64(1475758800) * 1e9

// packets makes n Ethernet packets, gap apart, no two alike.
func packets(start int64, n int, gap time.Duration) []capture.Packet {
	var out []capture.Packet
	for i := range n {
		data := []byte(fmt.Sprintf("packet %d of %d with some more octets to it, %d", i, n, i*i))
		out = append(out, capture.Packet{Time: start + int64(i)*int64(gap), Data: data, Wire: len(data) + i%3, Link: capture.LinkEthernet})
	}
	return out
}

func config(dir string) Config {
	cfg := DefaultConfig()
	cfg.Dir = dir
	return cfg
}

var silent = slog.New(slog.DiscardHandler)

// keep archives batches of packets in one go and returns the counts.
func keep(t *testing.T, cfg Config, batches ...[]capture.Packet) Stats {
	t.Helper()
	a, err := New(cfg, silent)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		if err := a.Write(b); err != nil {
			t.Error(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	s := a.Stats()
	if s.Received != s.Written+s.Lost {
		t.Errorf("received %d, written %d, lost %d", s.Received, s.Written, s.Lost)
	}
	return s
}

// names lists the files of an archive in ls's order.
func names(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "[^.]*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range paths {
		paths[i] = filepath.Base(p)
	}
	return paths
}

func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("files\n %s\nwant\n %s", strings.Join(got, "\n "), strings.Join(want, "\n "))
	}
}

// read gives the packets of captures, which must not be odd in any way.
func read(t *testing.T, dir string, names ...string) []capture.Packet {
	t.Helper()
	var paths []string
	for _, n := range names {
		paths = append(paths, filepath.Join(dir, n))
	}
	var logged bytes.Buffer
	src, err := capture.Open(paths, slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var all []capture.Packet
	for b := (capture.Batch{}); ; {
		if err := src.Read(&b); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, p := range b.Packets {
			p.Data = bytes.Clone(p.Data)
			all = append(all, p)
		}
	}
	if logged.Len() > 0 {
		t.Errorf("reading %v: %s", names, &logged)
	}
	return all
}

func wantPackets(t *testing.T, got, want []capture.Packet) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d packets, want %d", len(got), len(want))
	}
	for i, g := range got {
		if w := want[i]; g.Time != w.Time || g.Wire != w.Wire || g.Link != w.Link || !bytes.Equal(g.Data, w.Data) {
			t.Fatalf("packet %d is %v\nwant %v", i, g, w)
		}
	}
}

// program looks for a program that a test needs. Where it is missing the test
// is skipped, but not in CI.
func program(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%v; CI must have it", err)
		}
		t.Skip(err)
	}
}

// Slots are aligned to the epoch; what is a little late stays with what it came
// with.
func TestRotationByTime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "here")
	want := packets(hour+59*60e9, 5000, 100*time.Millisecond+1) // to 14:07:20
	for i := range want[600:] {                                 // out of order by a packet around the full hour
		if i += 600; i%2 == 0 && i < 700 {
			want[i].Time, want[i+1].Time = want[i+1].Time, want[i].Time
		}
	}
	s := keep(t, config(dir), want[:1], want[1:599], want[599:])
	wantNames(t, dir, "20161006T130000Z-000.pcap.zst", "20161006T140000Z-000.pcap.zst")
	got := append(read(t, dir, "20161006T130000Z-000.pcap.zst"), read(t, dir, "20161006T140000Z-000.pcap.zst")...)
	wantPackets(t, got, want)
	var octets, stored uint64
	for _, p := range want {
		octets += uint64(len(p.Data))
	}
	for _, n := range names(t, dir) {
		info, _ := os.Stat(filepath.Join(dir, n))
		stored += uint64(info.Size())
	}
	if w := (Stats{Received: 5000, Written: 5000, Octets: octets, Stored: stored, Files: 2}); s != w {
		t.Errorf("got %+v\nwant %+v", s, w)
	}

	dir = t.TempDir()
	cfg := config(dir)
	cfg.Rotate = 100 * time.Second
	keep(t, cfg, want)
	wantNames(t, dir, "20161006T135820Z-000.pcap.zst", "20161006T140000Z-000.pcap.zst", "20161006T140140Z-000.pcap.zst",
		"20161006T140320Z-000.pcap.zst", "20161006T140500Z-000.pcap.zst", "20161006T140640Z-000.pcap.zst")
}

func TestRotationBySize(t *testing.T) {
	dir := t.TempDir()
	cfg := config(dir)
	cfg.RotateSize = 64 << 10
	want := packets(hour, 10000, time.Microsecond)
	want[5000].Data = make([]byte, 100<<10) // longer than a file: has one of its own
	want[5000].Wire = 100 << 10
	keep(t, cfg, want)
	var got []capture.Packet
	for i, n := range names(t, dir) {
		if w := fmt.Sprintf("20161006T130000Z-%03d.pcap.zst", i); n != w {
			t.Fatalf("file %s, want %s", n, w)
		}
		ps := read(t, dir, n)
		size := int64(headerSize)
		for i := range ps {
			size += record(&ps[i])
		}
		if size > 64<<10 && len(ps) != 1 {
			t.Errorf("%s has %d octets and %d packets", n, size, len(ps))
		}
		got = append(got, ps...)
	}
	wantPackets(t, got, want)
}

func TestLinkTypes(t *testing.T) {
	dir := t.TempDir()
	all := packets(hour+3599e9, 3000, time.Millisecond)
	var raw, ethernet []capture.Packet
	for i := range all {
		if i%3 == 0 {
			all[i].Link = capture.LinkRaw
			raw = append(raw, all[i])
		} else {
			ethernet = append(ethernet, all[i])
		}
	}
	keep(t, config(dir), all)
	want := []string{"20161006T130000Z-000.link101.pcap.zst", "20161006T130000Z-000.pcap.zst",
		"20161006T140000Z-000.link101.pcap.zst", "20161006T140000Z-000.pcap.zst"}
	wantNames(t, dir, want...)
	wantPackets(t, read(t, dir, want[0], want[2]), raw)
	wantPackets(t, read(t, dir, want[3], want[1]), ethernet)
	wantPackets(t, read(t, dir, want...), all)
}

// However many link types there are, few files are open.
func TestManyLinkTypes(t *testing.T) {
	dir := t.TempDir()
	all := packets(hour, 100, time.Millisecond)
	for i := range all {
		all[i].Link = capture.LinkType(200 + i%20)
	}
	if s := keep(t, config(dir), all); s.Files != 100 || s.Written != 100 {
		t.Errorf("got %+v", s)
	}
	wantPackets(t, read(t, dir, names(t, dir)...), all)
}

// One packet from another time changes nothing; when time really jumps, the
// archive follows.
func TestStrays(t *testing.T) {
	dir := t.TempDir()
	all := packets(hour, 10, time.Second)
	all[3].Time, all[5].Time, all[6].Time = 0, hour+20*far, 12
	keep(t, config(dir), all[:5], all[5:])
	wantNames(t, dir, "20161006T130000Z-000.pcap.zst")
	wantPackets(t, read(t, dir, names(t, dir)...), all)

	dir = t.TempDir()
	back := packets(hour-7200e9, 10, time.Second) // a clock set back
	keep(t, config(dir), packets(hour, 10, time.Second), back, packets(hour+30*24*3600e9, 1, 0))
	wantNames(t, dir, "20161006T110000Z-000.pcap.zst", "20161006T130000Z-000.pcap.zst", "20161105T130000Z-000.pcap.zst")
	wantPackets(t, read(t, dir, "20161006T110000Z-000.pcap.zst"), back[2:])
}

// Nothing is ever written over.
func TestNeverOverwrites(t *testing.T) {
	dir := t.TempDir()
	want := packets(hour, 100, time.Second)
	keep(t, config(dir), want)
	first, err := os.ReadFile(filepath.Join(dir, "20161006T130000Z-000.pcap.zst"))
	if err != nil {
		t.Fatal(err)
	}
	keep(t, config(dir), want[:50])

	a, err := New(config(dir), silent)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Write(want[:25]); err != nil {
		t.Fatal(err)
	}
	wantNames(t, dir, "20161006T130000Z-000.pcap.zst", "20161006T130000Z-001.pcap.zst", "20161006T130000Z-002.pcap.zst.partial")
	// Somebody else takes the name while the file grows.
	if err := os.WriteFile(filepath.Join(dir, "20161006T130000Z-002.pcap.zst"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	wantNames(t, dir, "20161006T130000Z-000.pcap.zst", "20161006T130000Z-001.pcap.zst",
		"20161006T130000Z-002.pcap.zst", "20161006T130000Z-003.pcap.zst")
	wantPackets(t, read(t, dir, "20161006T130000Z-003.pcap.zst"), want[:25])
	now, _ := os.ReadFile(filepath.Join(dir, "20161006T130000Z-000.pcap.zst"))
	mine, _ := os.ReadFile(filepath.Join(dir, "20161006T130000Z-002.pcap.zst"))
	if !bytes.Equal(now, first) || string(mine) != "mine" {
		t.Error("a file was written over")
	}
}

func TestOneWriter(t *testing.T) {
	dir := t.TempDir()
	a, err := New(config(dir), silent)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(config(dir), silent); err == nil || err.Error() != dir+": another archive is writing here" {
		t.Errorf("got %v", err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := New(config(dir), silent); err != nil {
		t.Error(err)
	}
}

func TestLongPacketsAreCut(t *testing.T) {
	dir := t.TempDir()
	n := capture.MaxSnap + 5
	p := capture.Packet{Time: hour, Data: make([]byte, n), Wire: n, Link: capture.LinkRaw}
	if s := keep(t, config(dir), []capture.Packet{p}); s.Cut != 1 || s.Written != 1 {
		t.Errorf("got %+v", s)
	}
	p.Data = p.Data[:capture.MaxSnap]
	wantPackets(t, read(t, dir, names(t, dir)...), []capture.Packet{p})
}

// The standard programs read the files.
func TestStandardPrograms(t *testing.T) {
	program(t, "zstdcat")
	program(t, "tcpdump")
	dir := t.TempDir()
	frame := "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00" + // Ethernet
		"\x45\x00\x00\x23\x00\x00\x40\x00\x40\x11\x00\x00\xc0\x00\x02\x01\xc0\x00\x02\x35" + // IPv4
		"\x30\x39\x0f\xa0\x00\x0f\x00\x00example" // UDP
	cfg := config(dir)
	cfg.RotateSize = 1 << 20
	var all []capture.Packet
	for i := range 30000 {
		all = append(all, capture.Packet{Time: hour + int64(i), Data: []byte(frame), Wire: 1500, Link: capture.LinkEthernet})
	}
	keep(t, cfg, all)
	lines := 0
	for _, n := range names(t, dir) {
		cmd := exec.Command("sh", "-c", "set -e; zstd -tq "+n+"; zstdcat "+n+" | TZ=UTC tcpdump -n -tttt --nano -r -")
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if lines == 0 && !strings.HasPrefix(string(out), "2016-10-06 13:00:00.000000000 IP 192.0.2.1.12345 > 192.0.2.53.4000: UDP, length 7\n") {
			t.Errorf("tcpdump says %.200s", out)
		}
		lines += bytes.Count(out, []byte("\n"))
	}
	if lines != len(all) || len(names(t, dir)) < 2 {
		t.Errorf("%d lines for %d packets", lines, len(all))
	}
}

// pipe is the end of a pipe that a source reads, and the other end.
func pipe() (func() (capture.Source, error), *io.PipeWriter) {
	r, w := io.Pipe()
	return func() (capture.Source, error) { return capture.NewReader("pipe", r, silent) }, w
}

// pcap is a capture in memory.
func pcap(ps []capture.Packet) []byte {
	var b bytes.Buffer
	w, _ := capture.NewWriter(&b, ps[0].Link)
	w.Write(ps...)
	return b.Bytes()
}

// A second after it came, a packet is on disk, though the pipe is silent. At
// Ctrl-C the archive takes what the other end of the pipe still has to say,
// and ends although the pipe does not.
func TestRunOnSilentPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a, err := New(config(dir), silent)
		if err != nil {
			t.Fatal(err)
		}
		open, w := pipe()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- a.Run(ctx, open) }()
		all := packets(hour, 1000, time.Millisecond)
		b := pcap(all)
		most := len(pcap(all[:900]))
		w.Write(b[:most])
		time.Sleep(1100 * time.Millisecond)
		wantPackets(t, read(t, dir, "20161006T130000Z-000.pcap.zst.partial"), all[:900])

		cancel()
		time.Sleep(grace / 2)
		w.Write(b[most:])
		if err := <-ended; err != nil {
			t.Error(err)
		}
		w.Close() // the reader of the pipe is still there; a process would end
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		wantPackets(t, read(t, dir, "20161006T130000Z-000.pcap.zst"), all)
		wantNames(t, dir, "20161006T130000Z-000.pcap.zst")
	})
}

// Ctrl-C also ends an archive whose pipe has said nothing at all.
func TestRunBeforeTheFirstOctet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a, err := New(config(dir), silent)
		if err != nil {
			t.Fatal(err)
		}
		open, w := pipe()
		defer w.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := a.Run(ctx, open); err != nil {
			t.Error(err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		wantNames(t, dir)
	})
}

// A damaged capture is an error, and what is before the damage is kept.
func TestRunOnDamage(t *testing.T) {
	dir := t.TempDir()
	a, err := New(config(dir), silent)
	if err != nil {
		t.Fatal(err)
	}
	all := packets(hour, 1000, time.Millisecond)
	b := append(pcap(all), "this is not a record"...)
	err = a.Run(t.Context(), func() (capture.Source, error) {
		return capture.NewReader("damaged.pcap", bytes.NewReader(b), silent)
	})
	if err == nil || !strings.HasPrefix(err.Error(), "damaged.pcap: offset ") {
		t.Errorf("got %v", err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	wantPackets(t, read(t, dir, names(t, dir)...), all)
}

func TestConfig(t *testing.T) {
	good := config("d")
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	bad := func(change func(*Config), want string) {
		t.Helper()
		c := good
		change(&c)
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	bad(func(c *Config) { c.Dir = "" }, "dir must name a directory")
	bad(func(c *Config) { c.Rotate = 0 }, "rotate must be whole seconds, at least 1s, got 0s")
	bad(func(c *Config) { c.Rotate = 1500 * time.Millisecond }, "rotate must be whole seconds, at least 1s, got 1.5s")
	bad(func(c *Config) { c.RotateSize = 10 }, "rotate-size must be at least 1KiB, got 10B")
	bad(func(c *Config) { c.Flush = 0 }, "flush must be positive, got 0s")
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"1B": 1, "64MiB": 64 << 20, "3 GiB": 3 << 30, "2kB": 2000, "5MB": 5e6, "7TiB": 7 << 40, "0B": 0} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s: %d, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "B", "64", "-1B", "1.5GiB", "1XiB", "9999999999TiB", "MiB"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: %d", text, s)
		}
	}
	for s, want := range map[Size]string{0: "0B", 1000: "1000B", 1 << 10: "1KiB", 1536 << 20: "1536MiB", 1 << 40: "1TiB"} {
		if got := s.String(); got != want {
			t.Errorf("%d: %s, want %s", int64(s), got, want)
		}
	}
}

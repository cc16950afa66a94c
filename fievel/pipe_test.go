package fievel

import (
	"bytes"
	"context"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratadns/capture"
	"ratadns/capture/sample"
	"ratadns/speedy"
)

// sampleSource is the sample capture.
func sampleSource(t testing.TB) capture.Source {
	t.Helper()
	src, err := capture.NewReader("sample", bytes.NewReader(sample.Pcap), quietLog)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func anonymizer(t testing.TB, m speedy.Method) *speedy.Anonymizer {
	t.Helper()
	a, err := speedy.NewAnonymizer(m, speedy.Key{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// monitor makes reports out of packets, without the JSON between.
func monitor(t testing.TB, cfg Config, names []string, m speedy.Method) (*sink, Stats) {
	t.Helper()
	s := &sink{t: t}
	f := New(cfg, reducers(t, s.output(), names...), anonymizer(t, m))
	src := sampleSource(t)
	defer src.Close()
	// It hears neither of packets nor of what is lost, as at the end of a pipe.
	engine := speedy.DefaultConfig()
	engine.Workers, engine.ByFlow = cfg.Workers, true
	if err := speedy.NewEngine(engine, f).Run(context.Background(), src); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return s, f.Stats
}

// TestPipe: speedy | fievel gives the same octets as monitor, but for the count
// of lost packets, which do not come through a pipe.
func TestPipe(t *testing.T) {
	var servers []Server
	for _, s := range sample.Servers {
		srv := Server{Name: s.Name}
		for _, a := range s.Addresses {
			srv.Addresses = append(srv.Addresses, netip.MustParseAddr(a))
		}
		servers = append(servers, srv)
	}
	for _, c := range []struct {
		name   string
		cfg    Config
		method speedy.Method
	}{
		{"hash", config(func(c *Config) { c.Servers = servers }), speedy.Hash},
		{"prefix, windows of messages", config(func(c *Config) { c.Servers = servers; c.Window = Window{Messages: 1000} }), speedy.Prefix},
		{"none, one server", config(func(c *Config) { c.Window.Duration = time.Minute }), speedy.None},
	} {
		t.Run(c.name, func(t *testing.T) {
			numbers := []int{2, 3, 8}
			if testing.Short() {
				if c.method != speedy.Hash {
					t.Skip("one is enough to look for races")
				}
				numbers = numbers[1:2]
			}
			want, wantStats := monitor(t, c.cfg, catalogue(), c.method)
			for _, c.cfg.Workers = range numbers {
				shared, stats := monitor(t, c.cfg, catalogue(), c.method)
				if diff := cmp.Diff(want.lines, shared.lines); diff != "" || stats != wantStats {
					t.Fatalf("%d workers: %+v, want %+v\n%.4000s", c.cfg.Workers, stats, wantStats, diff)
				}
			}
			c.cfg.Workers = 1

			var stream bytes.Buffer
			src := sampleSource(t)
			defer src.Close()
			anon := anonymizer(t, c.method)
			if _, err := speedy.Write(context.Background(), src, &stream, speedy.DefaultConfig(), 2, speedy.FieldsDefault, anon); err != nil {
				t.Fatal(err)
			}
			got := &sink{t: t}
			f := New(c.cfg, reducers(t, got.output(), catalogue()...), plain(t))
			for _, s := range c.cfg.Servers {
				for _, a := range s.Addresses {
					f.AddAddress(s.Name, anon.Addr(a))
				}
			}
			r := speedy.NewReader(&stream)
			var m speedy.Message
			for {
				err := r.Next(&m)
				if err == io.EOF {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				f.Message(&m)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if r.Stats.Bad != 0 || r.Stats.Length != 0 {
				t.Errorf("stream: %+v", r.Stats)
			}
			if diff := cmp.Diff(wantStats, f.Stats); diff != "" {
				t.Error(diff)
			}
			if len(want.lines) != len(got.lines) {
				t.Fatalf("%d reports of monitor, %d of the pipe", len(want.lines), len(got.lines))
			}
			for i, line := range want.lines {
				// Of hashed addresses the pipe cannot tell the networks.
				if c.method == speedy.Hash && strings.HasPrefix(line, `{"type":"ClientSubnet`) {
					continue
				}
				if line != got.lines[i] {
					t.Fatalf("report %d: monitor and pipe\n%.1500s\n%.1500s", i, line, got.lines[i])
				}
			}
			checkLedger(t, wantStats, want, wantStats.Found)
			if wantStats.Malformed == 0 || wantStats.Late != 0 || len(want.lines) < 4*len(catalogue()) {
				t.Errorf("%+v", wantStats)
			}
			seen := make(map[string]bool)
			for _, r := range want.reports() {
				seen[r.ServerID] = true
			}
			if len(seen) < len(c.cfg.Servers) || len(seen) == 0 {
				t.Errorf("reports of servers %v only", seen)
			}
		})
	}
}

// Package golden holds what each reducer of the catalogue reports of two real
// captures, and a judge for each: plain code that counts what tshark reads.
//
// Start at [TestGolden] and [TestJudge].
package golden

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/therootcompany/xz"

	"ratadns/bus"
	"ratadns/capture"
	"ratadns/capture/sample"
	"ratadns/fievel"
	"ratadns/reduce"
	"ratadns/reduce/geotest"
	"ratadns/report"
	"ratadns/speedy"
)

var update = flag.Bool("update", false, "rewrite the golden reports")

// A capt is a capture with what the monitor's configuration says of it.
type capt struct {
	name    string
	open    func(t testing.TB) []byte // as an uncompressed pcap
	servers []string
	places  map[string]place // of its clients' networks
	known   map[string]int   // how often tshark reads otherwise

	once    sync.Once
	pcap    []byte
	reports map[string]*report.Report // by type; whole ones have "whole " before it
	judged  sync.Once
	traffic *traffic
}

// A place is what the geographic files say of a network.
type place struct {
	country string
	asn     uint32
}

var captures = []*capt{
	{
		name: "sample", open: sampleCapture,
		servers: []string{"192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2", "192.0.2.53", "2001:db8::53"},
		places:  map[string]place{"198.51.100.0/25": {"CL", 64496}, "203.0.113.0/24": {"NZ", 64497}, "2001:db8:1::/49": {"SE", 64498}},
		known:   map[string]int{knownShort: 9, knownQuoted: 8, knownName: 12, knownTwoOPT: 4, knownSide: 3},
	},
	{
		name: "root", open: rootCapture,
		// Its other address of IPv6 is left out, so that there are packets of others.
		servers: []string{"178.76.247.229", "210a:3c44:990b:d1f0:42a9:bc3f:63e1:240a"},
		places:  map[string]place{"0.0.0.0/2": {"CL", 64496}, "128.0.0.0/3": {"NZ", 64497}, "2000::/5": {"SE", 64498}},
		known:   map[string]int{knownQuoted: 24, knownName: 3},
	},
}

// window is longer than each capture, and has all of it.
const window = 10 * time.Minute

// narrowed are the parameters of golden reports that would otherwise be long.
var narrowed = map[string]reduce.Params{
	"QueriesNameCounter": {Top: 20}, "AnswersNameCounter": {Top: 20}, "NameCounter": {Top: 20}, "NewDomains": {Top: 20},
	"ClientSubnet": {Top: 20}, "ClientSubnet2": {Top: 10}, "ClientAddrVSRcode": {Top: 10}, "QtypeVSTld": {Top: 10},
	"SecondLdVSRcode": {Top: 10}, "ThirdLdVSRcode": {Top: 10},
	"QueriesWithUnderscoredName": {Samples: 5, MaxKeys: 20}, "PacketHasUnderscore": {Samples: 2, MaxKeys: 20},
	"PacketSummary": {Samples: 5, MaxKeys: 30}, "QueriesSummary": {Samples: 5, MaxKeys: 30},
	"AlonePackets": {Samples: 10}, "OnlyQueries": {Samples: 15}, "OnlyAnswers": {Samples: 15}, "Identity": {Samples: 15},
	"MalformedMessages": {Samples: 15},
}

// whole are parameters that show all there is.
var whole = reduce.Params{Top: 1_000_000, Samples: 4000, MaxKeys: 1_000_000}

func rootCapture(t testing.TB) []byte {
	t.Helper()
	dir := os.Getenv("RATADNS_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	f, err := os.Open(filepath.Join(dir, "captures", "root-server.pcap.xz"))
	if err != nil {
		missing(t, err)
	}
	defer f.Close()
	r, err := xz.NewReader(f, 0)
	if err != nil {
		t.Fatal(err)
	}
	return readAll(t, r)
}

func sampleCapture(t testing.TB) []byte {
	t.Helper()
	r, err := zstd.NewReader(bytes.NewReader(sample.Pcap))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return readAll(t, r)
}

func readAll(t testing.TB, r io.Reader) []byte {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// run reduces the capture, once for all tests: each entry of the catalogue with
// the parameters of its golden report, and whole.
func (c *capt) run(t testing.TB) {
	t.Helper()
	c.once.Do(func() {
		c.pcap = c.open(t)
		reports := make(map[string]*report.Report)
		c.reduce(t, reports)
		c.reports = reports
	})
	if c.reports == nil {
		missing(t, c.name+" was not reduced")
	}
}

func (c *capt) reduce(t testing.TB, reports map[string]*report.Report) {
	t.Helper()
	cfg := fievel.DefaultConfig()
	cfg.Server, cfg.Window.Duration, cfg.Facts = "server1", window, reduce.DefaultFacts()
	srv := fievel.Server{Name: "server1"}
	for _, a := range c.servers {
		srv.Addresses = append(srv.Addresses, netip.MustParseAddr(a))
	}
	cfg.Servers = []fievel.Server{srv}
	var err error
	geo := geoFile(t, c.places)
	if cfg.Facts.Geo, err = reduce.OpenGeo(geo, geo); err != nil {
		t.Fatal(err)
	}
	out := bus.Func(func(line []byte) {
		r, err := report.Parse(bytes.Clone(line))
		if err != nil {
			t.Fatalf("%v: %.300s", err, line)
		}
		if reports[r.Type] != nil {
			t.Fatalf("%s: a second window", r.Type)
		}
		reports[r.Type] = r
	})
	var reducers []fievel.Reducer
	for i := range reduce.Catalog {
		e := &reduce.Catalog[i]
		reducers = append(reducers, fievel.Reducer{Type: e.Name, Entry: e, Params: narrowed[e.Name], Output: out},
			fievel.Reducer{Type: "whole " + e.Name, Entry: e, Params: whole, Output: out})
	}
	anon, err := speedy.NewAnonymizer(speedy.None, speedy.Key{})
	if err != nil {
		t.Fatal(err)
	}
	f := fievel.New(cfg, reducers, anon)
	src, err := capture.NewReader(c.name, bytes.NewReader(c.pcap), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if err := f.NewEngine(speedy.DefaultConfig()).Run(context.Background(), src); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// geoFile is a file in MaxMind's format of those networks.
func geoFile(t testing.TB, places map[string]place) string {
	t.Helper()
	networks := make(map[string]mmdbtype.DataType)
	for network, p := range places {
		networks[network] = geotest.Place(p.country, p.asn)
	}
	return geotest.File(t, networks)
}

// maxGolden bounds the octets of a golden report, so that people can review it.
const maxGolden = 32 << 10

// golden is a report as it is kept: what merges it, which nobody reads, is told
// by its hash.
func golden(t testing.TB, r *report.Report) []byte {
	t.Helper()
	kept := *r
	if r.State != nil {
		kept.State = fmt.Appendf(nil, `"%d octets, SHA-256 %.8x"`, len(r.State), sha256.Sum256(r.State))
	}
	var b bytes.Buffer
	if err := json.Indent(&b, kept.Append(nil), "", "  "); err != nil {
		t.Fatal(err)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

func TestGolden(t *testing.T) {
	for _, c := range captures {
		t.Run(c.name, func(t *testing.T) {
			c.run(t)
			for _, e := range reduce.Catalog {
				t.Run(e.Name, func(t *testing.T) {
					got := golden(t, c.reports[e.Name])
					if len(got) > maxGolden {
						t.Errorf("%d octets, more than %d: narrow it", len(got), maxGolden)
					}
					path := filepath.Join("testdata", c.name, e.Name+".json")
					if *update {
						if err := os.WriteFile(path, got, 0o644); err != nil {
							t.Fatal(err)
						}
					}
					want, err := os.ReadFile(path)
					if err != nil {
						t.Fatalf("%v; go test -update makes it", err)
					}
					if diff := cmp.Diff(string(want), string(got)); diff != "" {
						t.Error(diff)
					}
				})
			}
		})
	}
}

// TestGoldenFiles finds what is left of reducers that are gone.
func TestGoldenFiles(t *testing.T) {
	for _, c := range captures {
		files, err := filepath.Glob(filepath.Join("testdata", c.name, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if _, err := reduce.Find(strings.TrimSuffix(filepath.Base(f), ".json")); err != nil {
				t.Errorf("%s: %v", f, err)
			}
		}
		if len(files) != len(reduce.Catalog) {
			t.Errorf("%s: %d golden reports of %d reducers", c.name, len(files), len(reduce.Catalog))
		}
	}
	for name := range narrowed {
		if _, err := reduce.Find(name); err != nil {
			t.Errorf("narrowed: %v", err)
		}
	}
}

// program is the path of a program that the tests need.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, err)
	}
	return path
}

// missing skips the test for want of something that CI must have.
func missing(t testing.TB, what any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%v; CI must have it", what)
	}
	t.Skip(what)
}

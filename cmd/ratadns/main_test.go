package main

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/rogpeppe/go-internal/testscript"

	"ratadns/capture/sample"
	"ratadns/reduce/geotest"
)

// The test binary is the program too, so that scripts and pipelines run what
// was just built.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"ratadns": func() { os.Exit(run(os.Args[1:])) },
	})
}

// TestScript runs the user sessions under testdata/script.
func TestScript(t *testing.T) {
	pcap, tap, geo := samplePcap(t), tapFile(t), geoFile(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("SAMPLE", pcap)
			e.Setenv("GEO", geo)
			e.Setenv("TAP", tap)
			examples, err := filepath.Abs("../../examples")
			e.Setenv("EXAMPLES", examples)
			return err
		},
	})
}

// geoFile is a file in MaxMind's format, of countries and autonomous systems
// both.
func geoFile(t *testing.T) string {
	t.Helper()
	return geotest.File(t, map[string]mmdbtype.DataType{"203.0.113.0/24": geotest.Place("CL", 64496), "2001:db8::/32": geotest.Country("NZ")})
}

// samplePcap is the sample capture, decompressed, as a file.
func samplePcap(t *testing.T) string {
	t.Helper()
	z, err := zstd.NewReader(bytes.NewReader(sample.Pcap))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	name := filepath.Join(t.TempDir(), "sample.pcap")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(f, z); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// require fails under CI, and skips elsewhere, when a program is missing.
func require(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is missing: %v", p, err)
			}
			t.Skipf("%s is missing; make deps installs it", p)
		}
	}
}

// freePort is a port of the loopback that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// quiet is a log that nobody reads.
var quiet = slog.New(slog.DiscardHandler)

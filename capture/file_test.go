package capture

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// compressed returns b in the form that open's writer makes.
func compressed[W io.WriteCloser](t *testing.T, b []byte, open func(io.Writer) (W, error)) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := open(&out)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type packer struct {
	name string
	pack func(*testing.T, []byte) []byte
}

var packers = []packer{
	{"plain", func(t *testing.T, b []byte) []byte { return b }},
	{"gzip", func(t *testing.T, b []byte) []byte {
		return compressed(t, b, func(w io.Writer) (*gzip.Writer, error) { return gzip.NewWriter(w), nil })
	}},
	{"xz", func(t *testing.T, b []byte) []byte { return filter(t, b, "xz", "--block-size=65536") }},
	{"zstd", func(t *testing.T, b []byte) []byte {
		return compressed(t, b, func(w io.Writer) (*zstd.Encoder, error) { return zstd.NewWriter(w) })
	}},
	{"lz4", func(t *testing.T, b []byte) []byte {
		return compressed(t, b, func(w io.Writer) (*lz4.Writer, error) {
			z := lz4.NewWriter(w)
			return z, z.Apply(lz4.BlockSizeOption(lz4.Block64Kb))
		})
	}},
	{"bzip2", func(t *testing.T, b []byte) []byte { return filter(t, b, "bzip2") }},
	// What the programs make is not quite what the libraries do.
	{"zstd program", func(t *testing.T, b []byte) []byte { return filter(t, b, "zstd", "--long=27") }},
	{"lz4 program", func(t *testing.T, b []byte) []byte { return filter(t, b, "lz4", "-B4") }},
}

func TestCompressions(t *testing.T) {
	want := packets(second, 3000)
	b := nanoPcap(want)
	for _, p := range packers {
		t.Run(p.name, func(t *testing.T) {
			got, err := parse(p.pack(t, b), quiet(t))
			if err != nil {
				t.Fatal(err)
			}
			wantPackets(t, got, want)
		})
	}
}

// Compressed files can be put one after the other, anywhere in the capture.
func TestCompressedInParts(t *testing.T) {
	want := packets(second, 3000)
	b := nanoPcap(want)
	for _, p := range packers {
		t.Run(p.name, func(t *testing.T) {
			var parts []byte
			for _, cut := range [][2]int{{0, 3}, {3, 100_001}, {100_001, len(b)}} {
				parts = append(parts, p.pack(t, b[cut[0]:cut[1]])...)
			}
			got, err := parse(parts, quiet(t))
			if err != nil {
				t.Fatal(err)
			}
			wantPackets(t, got, want)
		})
	}
}

// A compressed capture that is cut gives what comes before, and a warning.
func TestCompressedCut(t *testing.T) {
	want := packets(second, 20000)
	for i := range want { // less compressible, so that there are many blocks
		for j := range want[i].Data {
			want[i].Data[j] = byte(i * (j + 7) >> 3)
		}
	}
	b := nanoPcap(want)
	for _, p := range packers {
		t.Run(p.name, func(t *testing.T) {
			packed := p.pack(t, b)
			log, logged := logTo()
			got, err := parse(packed[:len(packed)*9/10], log)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) == 0 || len(got) == len(want) {
				t.Fatalf("%d packets of %d", len(got), len(want))
			}
			wantPackets(t, got, want[:len(got)])
			if s := logged.String(); !strings.Contains(s, "capture ends inside a record") || !strings.Contains(s, "offset=") {
				t.Errorf("logged %q", s)
			}
		})
	}
}

func TestCompressedNotACapture(t *testing.T) {
	for _, p := range packers {
		t.Run(p.name, func(t *testing.T) {
			_, err := parse(p.pack(t, []byte("; zone file\nexample.org. IN SOA\n")), quiet(t))
			if err == nil || err.Error() != `t.pcap: not a capture: starts with "; zone file\nexam"` {
				t.Errorf("got %v", err)
			}
		})
	}
}

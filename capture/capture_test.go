package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// second is the time of the test captures: 2016-10-06 13:55:00 UTC.
const second = int64(1475762100) * 1e9

// packets makes n packets of different lengths, a millisecond and a nanosecond
// apart, beginning at start; they come from Ethernet and are not cut.
func packets(start int64, n int) []Packet {
	var out []Packet
	for i := range n {
		data := bytes.Repeat([]byte{byte(i)}, 40+i%300)
		out = append(out, Packet{Time: start + int64(i)*1000001, Data: data, Wire: len(data), Link: LinkEthernet})
	}
	return out
}

// pcapOf writes a classic pcap by hand, in either byte order, with micro- or
// nanoseconds.
func pcapOf(order binary.AppendByteOrder, unit int64, ps []Packet) []byte {
	magic := uint32(0xa1b2c3d4)
	if unit == 1 {
		magic = 0xa1b23c4d
	}
	link := LinkEthernet
	if len(ps) > 0 {
		link = ps[0].Link
	}
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	for _, v := range []uint32{0, 0, 65535, uint32(link)} {
		b = order.AppendUint32(b, v)
	}
	for _, p := range ps {
		for _, v := range []uint32{uint32(p.Time / 1e9), uint32(p.Time % 1e9 / unit), uint32(len(p.Data)), uint32(p.Wire)} {
			b = order.AppendUint32(b, v)
		}
		b = append(b, p.Data...)
	}
	return b
}

// nanoPcap is pcapOf as this program would write it.
func nanoPcap(ps []Packet) []byte { return pcapOf(binary.LittleEndian, 1, ps) }

// logTo returns a logger and what it wrote, without the times.
func logTo() (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	return slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: noTime})), &b
}

// quiet fails the test when anything is logged.
func quiet(t *testing.T) *slog.Logger {
	t.Helper()
	log, b := logTo()
	t.Cleanup(func() {
		if b.Len() > 0 {
			t.Errorf("logged: %s", b)
		}
	})
	return log
}

// readAll copies all packets of src, and returns the error that ended it, nil
// at the end of the capture.
func readAll(src Source) ([]Packet, error) {
	var all []Packet
	for batches := [2]Batch{}; ; {
		b := &batches[len(all)%2] // two that take turns, as a pipeline does
		if err := src.Read(b); err != nil {
			if len(b.Packets) > 0 {
				return all, fmt.Errorf("%d packets beside error %w", len(b.Packets), err)
			}
			if err == io.EOF {
				err = nil
			}
			return all, err
		}
		if len(b.Packets) == 0 {
			return all, fmt.Errorf("a batch without packets")
		}
		for _, p := range b.Packets {
			p.Data = bytes.Clone(p.Data)
			all = append(all, p)
		}
	}
}

// parse reads a capture from memory.
func parse(b []byte, log *slog.Logger) ([]Packet, error) {
	src, err := NewReader("t.pcap", bytes.NewReader(b), log)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	return readAll(src)
}

func wantPackets(t *testing.T, got, want []Packet) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if g, w := got[i], want[i]; g.Time == w.Time && g.Wire == w.Wire && g.Link == w.Link && bytes.Equal(g.Data, w.Data) {
			continue
		}
		if diff := cmp.Diff(want[i], got[i]); diff != "" {
			t.Fatalf("packet %d of %d (-want +got):\n%s", i, len(want), diff)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d packets, want %d", len(got), len(want))
	}
}

// write makes a file in a directory of the test.
func write(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// filter runs b through a program. Where the program is missing the test is
// skipped, but not in CI.
func filter(t *testing.T, b []byte, name string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%v; CI must have it", err)
		}
		t.Skip(err)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(b)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, &stderr)
	}
	return out
}

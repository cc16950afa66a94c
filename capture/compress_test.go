package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// noise makes n packets that do not compress away, so that there are blocks to
// cut.
func noise(n int) []Packet {
	r := rand.New(rand.NewPCG(7, 7))
	ps := packets(second, n)
	for i := range ps {
		for j := range ps[i].Data {
			ps[i].Data[j] = byte(r.IntN(8))
		}
	}
	return ps
}

// programs are what people compress captures with. pad is what may stand
// behind each file, and block how many octets of the capture the program puts
// into one block, which is what a cut may cost.
var programs = []struct {
	name  string
	args  []string
	pad   string
	block int
}{
	{"gzip", nil, "", 64 << 10},
	{"gzip", []string{"-9"}, "", 64 << 10},
	{"bzip2", []string{"-1"}, "", 200_000},
	{"xz", nil, "\x00\x00\x00\x00", 4 << 10},
	{"xz", []string{"-9e"}, strings.Repeat("\x00", 12), 4 << 10},
	{"xz", []string{"--lzma2=dict=128MiB"}, "", 4 << 10},
	{"xz", []string{"--block-size=20000", "-C", "crc32"}, "", 4 << 10},
	{"xz", []string{"-T2", "--block-size=30000", "-C", "sha256"}, "", 4 << 10},
	{"xz", []string{"--delta=dist=4", "--lzma2=preset=1", "-C", "none"}, "", 4 << 10},
	{"xz", []string{"--x86", "--lzma2=preset=0"}, "", 4 << 10},
	{"zstd", nil, "\x51\x2a\x4d\x18\x03\x00\x00\x00abc", 128 << 10},
	{"zstd", []string{"-19", "--long=27", "--no-check"}, "\x5f\x2a\x4d\x18\x00\x00\x00\x00", 128 << 10},
	{"lz4", []string{"-l"}, "", 8 << 20},
	{"lz4", []string{"-B4"}, "\x50\x2a\x4d\x18\x02\x00\x00\x00ab", 64 << 10},
	{"lz4", []string{"-B4", "-BD", "-BX"}, "", 64 << 10},
	{"lz4", []string{"-9", "-B5", "--no-frame-crc"}, "", 256 << 10},
}

// Whatever a program writes is read: several files behind one another, with
// padding, cut anywhere. A cut is no error but for a capture that gives nothing.
func TestPrograms(t *testing.T) {
	want := noise(1200)
	b := nanoPcap(want)
	parts := [][]byte{b[:70_000], b[70_000:70_003], b[70_003:]}
	for _, p := range programs {
		t.Run(strings.Join(append([]string{p.name}, p.args...), " "), func(t *testing.T) {
			var packed []byte
			var from, to []int // of the parts in it
			for _, part := range parts {
				from = append(from, len(packed))
				packed = append(packed, filter(t, part, p.name, append(p.args, "-c")...)...)
				to = append(to, len(packed))
				packed = append(packed, p.pad...)
			}
			got, err := parse(packed, quiet(t))
			if err != nil {
				t.Fatal(err)
			}
			wantPackets(t, got, want)

			r := rand.New(rand.NewPCG(1, 1))
			cuts := []int{1, 2, 5, 6, 7, 10, 11, 12, 15, 20, 50}
			for i := range parts {
				for _, near := range []int{-13, -5, -4, -1, 0, 1, 4, 11, 12, 13} {
					cuts = append(cuts, min(to[i]+near, len(packed)))
				}
			}
			for range 20 {
				cuts = append(cuts, r.IntN(len(packed)))
			}
			for _, cut := range cuts {
				if end := len(bytes.TrimRight(packed[:cut], "\x00")); p.name == "xz" && slices.Contains(to, end) && cut%4 != 0 {
					continue // padding is of four octets, or wrong
				}
				// Noise is as dense everywhere: so much of the capture must
				// be there, less a block and what the figures are rough by.
				least, whole := 0, 0
				for i, part := range parts {
					switch {
					case cut >= to[i]:
						least, whole = least+len(part), least+len(part)
					case cut > from[i]:
						least += len(part) * (cut - from[i]) / (to[i] - from[i])
					}
				}
				least = max(whole, least-p.block-len(b)/50) - pcapRecordLen - 400 // of a record that is cut
				log, logged := logTo()
				got, err := parse(packed[:cut], log)
				read := pcapHeaderLen
				for _, p := range got {
					read += pcapRecordLen + len(p.Data)
				}
				at := fmt.Sprintf("cut at %d, parts [%d, %d): %d packets, %d octets of %d, %v, %q", cut, from, to, len(got), read, len(b), err, logged)
				if read < least {
					t.Errorf("%s: want at least %d octets", at, least)
				}
				if err != nil && (len(got) > 0 || !strings.Contains(err.Error(), errCutAtOnce.Error()) && !strings.Contains(err.Error(), "not a capture: starts with")) {
					t.Error(at)
				}
				if err == nil && len(got) < len(want) && !strings.Contains(logged.String(), "capture ends inside a record") {
					t.Errorf("%s: no word of it", at)
				}
				wantPackets(t, got, want[:len(got)])
			}
		})
	}
}

// Frames that the compressions let pass may also come first.
func TestSkippableFirst(t *testing.T) {
	want := packets(second, 100)
	const skip = "\x5a\x2a\x4d\x18\x03\x00\x00\x00abc\x50\x2a\x4d\x18\x00\x00\x00\x00"
	for _, program := range []string{"zstd", "lz4"} {
		got, err := parse(append([]byte(skip), filter(t, nanoPcap(want), program, "-c")...), quiet(t))
		if err != nil {
			t.Errorf("%s: %v", program, err)
		}
		wantPackets(t, got, want)
	}
	for cut := 4; cut < len(skip); cut++ {
		if _, err := parse([]byte(skip[:cut]), quiet(t)); err == nil {
			t.Errorf("cut at %d: no error", cut)
		}
	}
}

// What stands before the damage in an xz file is used as far as xz unpacks it.
func TestXzDamaged(t *testing.T) {
	want := noise(1200)
	whole := nanoPcap(want)
	packed := filter(t, whole, "xz", "-c")
	for at := len(packed) / 8; at < len(packed); at += len(packed) / 8 {
		b := bytes.Clone(packed)
		b[at] ^= 0x55
		cmd := exec.Command("xz", "-dc")
		cmd.Stdin = bytes.NewReader(b)
		unpacked, err := cmd.Output()
		if err == nil {
			t.Fatalf("xz reads what is damaged at %d", at)
		}
		got, err := parse(b, quiet(t))
		if err == nil || !strings.HasPrefix(err.Error(), "t.pcap: ") {
			t.Errorf("damaged at %d: %v", at, err)
		}
		read := pcapHeaderLen
		for _, p := range got {
			read += pcapRecordLen + len(p.Data)
		}
		// What is decoded behind the damage may be no record.
		if read+2*xzPiece+400 < min(len(unpacked), len(whole)*at/len(packed)) {
			t.Errorf("damaged at %d: %d octets, xz unpacks %d", at, read, len(unpacked))
		}
	}
}

// A capture that would take more memory than is given to it is refused, with
// the reason and a way round it; so is one that only says so.
func TestWindowTooLarge(t *testing.T) {
	b := nanoPcap(packets(second, 10))
	f := func(name, want string, packed []byte) {
		t.Helper()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := parse(packed, quiet(t))
		runtime.ReadMemStats(&after)
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v\nwant %s", name, err, want)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 2<<20 {
			t.Errorf("%s: %d octets allocated", name, got)
		}
	}
	const tooLarge = ": it takes more than 128 MiB of memory; decompress it first: "
	const wantXz = "t.pcap: xz: LZMA2 dictionary size exceeds max" + tooLarge + "xz -dc FILE | ratadns ... -r -"
	f("xz", wantXz, xzClaim(39))
	f("xz, the largest", wantXz, xzClaim(40))
	f("xz, the program's", wantXz, filter(t, b, "xz", "--lzma2=preset=0,dict=192MiB"))
	f("zstd", "t.pcap: window size exceeded"+tooLarge+"zstd -dc --long=31 FILE | ratadns ... -r -", zstdClaim(18<<3, nil))
	f("zstd, one segment", "t.pcap: decompressed size exceeds configured limit"+tooLarge+"zstd -dc --long=31 FILE | ratadns ... -r -",
		zstdClaim(0xe0, binary.LittleEndian.AppendUint64(nil, 1<<28)))
}

// xzClaim is the head of an xz file with a dictionary of that size, encoded as
// the format has it, and nothing behind it.
func xzClaim(dict byte) []byte {
	return fixXz(append([]byte("\xfd7zXZ\x00\x00\x00crc.\x02\x00\x21\x01"), dict, 0, 0, 0, 'c', 'r', 'c', '.', 1, 0, 0, 'x', 0))
}

// fixXz sets the checksums of a file's first headers right.
func fixXz(b []byte) []byte {
	if len(b) > 12 {
		binary.LittleEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[6:8]))
		if n := 4*int(b[12]) + 12; b[12] > 0 && len(b) >= n+4 {
			binary.LittleEndian.PutUint32(b[n:], crc32.ChecksumIEEE(b[12:n]))
		}
	}
	return b
}

// zstdClaim is a zstd frame of one raw block. window is the descriptor of it,
// or of the frame if there is a size.
func zstdClaim(window byte, size []byte) []byte {
	b := []byte("\x28\xb5\x2f\xfd")
	if size == nil {
		b = append(b, 0)
	}
	return append(append(append(b, window), size...), 1|3<<3, 0, 0, 'a', 'b', 'c')
}

// The ordinary takes little memory, whatever its size.
func TestDecompressionMemory(t *testing.T) {
	b := nanoPcap(packets(second, 20_000))
	for _, c := range []struct {
		name  string
		args  []string
		limit uint64
	}{
		{"gzip", nil, 1 << 20},
		{"bzip2", nil, 8 << 20},
		{"xz", []string{"-0", "--lzma2=dict=8MiB"}, 9 << 20}, // as -6, but quicker
		{"xz", []string{"-0", "--lzma2=dict=8MiB", "--block-size=65536"}, 9 << 20},
		{"zstd", nil, 12 << 20},
		{"zstd", []string{"--long=27"}, 129 << 20},
		{"lz4", nil, 16 << 20},
	} {
		packed := filter(t, b, c.name, append(c.args, "-c")...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		src, err := NewReader("t.pcap", bytes.NewReader(packed), slog.New(slog.DiscardHandler))
		for batch := new(Batch); err == nil; err = src.Read(batch) {
		}
		runtime.ReadMemStats(&after)
		if err != io.EOF {
			t.Fatal(err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > c.limit+4*BlockSize {
			t.Errorf("%s %v: %d octets allocated, want at most %d", c.name, c.args, got, c.limit)
		}
	}
}

// gzip takes zeros behind its last file for nothing; other octets are not.
func TestGzipPadding(t *testing.T) {
	want := packets(second, 100)
	packed := filter(t, nanoPcap(want), "gzip", "-c")
	got, err := parse(append(slices.Clone(packed), make([]byte, 100_000)...), quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	wantPackets(t, got, want)
	for _, tail := range []string{"x", "tail of ten or more octets", "\x00\x00\x00tail"} {
		log, logged := logTo()
		got, err := parse(append(slices.Clone(packed), tail...), log)
		if err == nil && logged.Len() == 0 || err != nil && !strings.Contains(err.Error(), "gzip: invalid header") {
			t.Errorf("%q: %v, logged %q", tail, err, logged)
		}
		wantPackets(t, got, want)
	}
}

// A file cut inside the name that its gzip header gives is cut, too.
func TestGzipCutInName(t *testing.T) {
	want := packets(second, 100)
	packed := filter(t, nanoPcap(want), "gzip", "-c")
	log, logged := logTo()
	got, err := parse(append(packed, "\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03cap"...), log)
	if err != nil || !strings.Contains(logged.String(), "capture ends inside a record") {
		t.Errorf("%v, logged %q", err, logged)
	}
	wantPackets(t, got, want)
	if _, err := parse([]byte("\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03cap"), quiet(t)); err == nil || err.Error() != "t.pcap: cut inside its first compressed block" {
		t.Error(err)
	}
}

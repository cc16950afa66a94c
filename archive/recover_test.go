package archive

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// leave makes an archive file of several frames and returns its octets.
func leave(t *testing.T, n int) []byte {
	t.Helper()
	dir := t.TempDir()
	a, err := New(config(dir), silent)
	if err != nil {
		t.Fatal(err)
	}
	all := packets(hour, n, time.Millisecond)
	for len(all) > 0 {
		if err := a.Write(all[:10]); err != nil {
			t.Fatal(err)
		}
		if err := a.Flush(); err != nil {
			t.Fatal(err)
		}
		all = all[10:]
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "20161006T130000Z-000.pcap.zst"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A file cut anywhere is recovered up to the frame that is not whole.
func TestRecoverCut(t *testing.T) {
	const n = 50
	whole, all := leave(t, n), packets(hour, n, time.Millisecond)
	last := 0
	for cut := 0; cut <= len(whole); cut++ {
		dir := t.TempDir()
		path := filepath.Join(dir, "20161006T130000Z-000.pcap.zst")
		if err := os.WriteFile(path+partial, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		keep(t, config(dir))
		switch got := names(t, dir); {
		case len(got) == 0 && last == 0: // nothing was in it
		case len(got) == 1 && got[0] == "20161006T130000Z-000.pcap.zst":
			ps := read(t, dir, got[0])
			if len(ps) < last || len(ps)%10 != 0 {
				t.Fatalf("cut at %d: %d packets, %d when cut shorter", cut, len(ps), last)
			}
			wantPackets(t, ps, all[:len(ps)])
			last = len(ps)
		case len(got) == 1 && strings.HasSuffix(got[0], ".damaged") && last == 0: // inside the header
		default:
			t.Fatalf("cut at %d: files %v", cut, got)
		}
	}
	if last != n {
		t.Errorf("%d packets of the whole file, want %d", last, n)
	}
}

// Damage inside a file, as after a loss of power, ends it there.
func TestRecoverDamaged(t *testing.T) {
	whole := leave(t, 50)
	for i := range len(whole) / 2 {
		whole[len(whole)/2+i] = 0
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "20161006T130000Z-000.pcap.zst")
	if err := os.WriteFile(path+partial, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	keep(t, config(dir))
	if got := read(t, dir, "20161006T130000Z-000.pcap.zst"); len(got) != 20 {
		t.Errorf("%d packets", len(got))
	}
}

// A recovered file never takes the name of another, nor does a new one take
// its; what the archive did not write is left alone.
func TestRecoverNames(t *testing.T) {
	whole := leave(t, 50)
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"20161006T130000Z-000.pcap.zst":                 []byte("one"),
		"20161006T130000Z-001.pcap.zst":                 []byte("two"),
		"20161006T130000Z-000.pcap.zst.partial":         whole,
		"20161006T130000Z-000.link101.pcap.zst":         []byte("three"),
		"20161006T130000Z-000.link101.pcap.zst.partial": whole,
		"20161006T140000Z-000.pcap.zst.partial":         []byte("not zstd at all"),
		"notes.partial":                                 []byte("mine"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var logged bytes.Buffer
	a, err := New(config(dir), slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Write(packets(hour, 10, time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	wantNames(t, dir,
		"20161006T130000Z-000.link101.pcap.zst",
		"20161006T130000Z-000.pcap.zst",
		"20161006T130000Z-001.link101.pcap.zst",
		"20161006T130000Z-001.pcap.zst",
		"20161006T130000Z-002.pcap.zst",
		"20161006T130000Z-003.pcap.zst",
		"20161006T140000Z-000.pcap.zst.damaged",
		"notes.partial")
	wantPackets(t, read(t, dir, "20161006T130000Z-002.pcap.zst"), packets(hour, 50, time.Millisecond))
	wantPackets(t, read(t, dir, "20161006T130000Z-003.pcap.zst"), packets(hour, 10, time.Second))
	if s := a.Stats(); s.Files != 1 {
		t.Errorf("got %+v", s)
	}
	if !strings.Contains(logged.String(), "no good frame") || strings.Count(logged.String(), "recovered") != 2 {
		t.Errorf("logged %s", &logged)
	}
}

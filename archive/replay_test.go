package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"ratadns/capture"
)

func opener(ps []capture.Packet) func() (capture.Source, error) {
	return func() (capture.Source, error) {
		return capture.NewReader("memory", bytes.NewReader(pcap(ps)), silent)
	}
}

// A flushed writer keeps what is written until it is flushed, and then notes
// the time.
type flushed struct {
	bytes.Buffer
	unflushed []byte
	at        []time.Duration
	start     time.Time
}

func (f *flushed) Write(b []byte) (int, error) {
	f.unflushed = append(f.unflushed, b...)
	return len(b), nil
}

func (f *flushed) Flush() error {
	f.Buffer.Write(f.unflushed)
	f.unflushed = nil
	f.at = append(f.at, time.Since(f.start))
	return nil
}

// Packets go out, flushed, when they are due, and as they were.
func TestReplayPace(t *testing.T) {
	ps := packets(hour, 5, 3*time.Second+1)
	for speed, gap := range map[float64]time.Duration{1: 3*time.Second + 1, 2: (3*time.Second + 1) / 2, 1e-3: 3000*time.Second + 1000} {
		synctest.Test(t, func(t *testing.T) {
			out := &flushed{start: time.Now()}
			n, err := Replay(t.Context(), opener(ps), speed, out)
			if n != 5 || err != nil {
				t.Errorf("%d packets, %v", n, err)
			}
			if !bytes.Equal(out.Bytes(), pcap(ps)) {
				t.Error("packets differ")
			}
			if len(out.at) != 6 { // once more at the end
				t.Fatalf("flushed at %v", out.at)
			}
			for i, at := range out.at[:5] {
				if late := at - time.Duration(i)*gap; late < 0 || late > 4*time.Nanosecond {
					t.Errorf("speed %v: packet %d after %v", speed, i, at)
				}
			}
		})
	}
}

func TestReplayMax(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps := packets(hour, 5000, time.Hour)
		out := &flushed{start: time.Now()}
		if n, err := Replay(t.Context(), opener(ps), 0, out); n != 5000 || err != nil {
			t.Errorf("%d packets, %v", n, err)
		}
		if !bytes.Equal(out.Bytes(), pcap(ps)) || time.Since(out.start) != 0 {
			t.Errorf("%d octets after %v", out.Len(), time.Since(out.start))
		}
	})
}

// Archived packets are played again as they were captured, however many files
// they are in and whatever order these are named in.
func TestReplayArchive(t *testing.T) {
	dir := t.TempDir()
	cfg := config(dir)
	cfg.Rotate, cfg.RotateSize = time.Minute, 8<<10
	ps := packets(hour, 5000, 37*time.Millisecond)
	keep(t, cfg, ps)
	var paths []string
	for _, n := range names(t, dir) {
		paths = append([]string{filepath.Join(dir, n)}, paths...)
	}
	var out bytes.Buffer
	n, err := Replay(t.Context(), func() (capture.Source, error) { return capture.Open(paths, silent) }, 0, &out)
	if n != 5000 || err != nil || len(paths) < 20 {
		t.Errorf("%d packets of %d files, %v", n, len(paths), err)
	}
	if !bytes.Equal(out.Bytes(), pcap(ps)) {
		t.Error("packets differ")
	}
}

func TestReplayLinkTypes(t *testing.T) {
	ps := packets(hour, 5, time.Second)
	dir := t.TempDir()
	other := packets(hour+10e9, 5, time.Second)
	for i := range other {
		other[i].Link = capture.LinkRaw
	}
	keep(t, config(dir), ps, other)
	var paths []string
	for _, n := range names(t, dir) {
		paths = append(paths, filepath.Join(dir, n))
	}
	var out bytes.Buffer
	n, err := Replay(t.Context(), func() (capture.Source, error) { return capture.Open(paths, silent) }, 0, &out)
	want := "packet 6 is of link type 101, those before it of link type 1: a pcap stream holds one link type"
	if n != 5 || !errors.Is(err, ErrLinkTypes) || err.Error() != want {
		t.Errorf("%d packets, %v\nwant %s", n, err, want)
	}
	if !bytes.Equal(out.Bytes(), pcap(ps)) {
		t.Error("packets before the error differ")
	}
}

// Ctrl-C ends a replay between two packets, also while its source is silent.
func TestReplayEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps := packets(hour, 5, time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		var out bytes.Buffer
		if n, err := Replay(ctx, opener(ps), 1, &out); n != 3 || err != nil || !bytes.Equal(out.Bytes(), pcap(ps[:3])) {
			t.Errorf("%d packets, %v", n, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		open, w := pipe()
		defer w.Close()
		if n, err := Replay(ctx, open, 1, io.Discard); n != 0 || err != nil {
			t.Errorf("%d packets, %v", n, err)
		}
	})
}

// A writer that fails ends the replay with its error.
func TestReplayToNobody(t *testing.T) {
	gone := errors.New("gone")
	r, w := io.Pipe()
	r.CloseWithError(gone)
	if _, err := Replay(t.Context(), opener(packets(hour, 5, time.Second)), 0, w); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}

// A capture without packets is played as one.
func TestReplayNothing(t *testing.T) {
	empty := pcap(packets(hour, 1, 0))[:headerSize]
	var out bytes.Buffer
	n, err := Replay(t.Context(), func() (capture.Source, error) {
		return capture.NewReader("memory", bytes.NewReader(empty), silent)
	}, 1, &out)
	if n != 0 || err != nil || !bytes.Equal(out.Bytes(), empty) {
		t.Errorf("%d packets, %v, % x", n, err, out.Bytes())
	}
}

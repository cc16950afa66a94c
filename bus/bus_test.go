package bus

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each output is one.
var _ = []Output{Func(nil), (*Lines)(nil)}

// failing is a writer that takes so many octets.
type failing struct {
	room int
	got  bytes.Buffer
}

var errFull = errors.New("no space left")

func (f *failing) Write(b []byte) (int, error) {
	n := min(len(b), f.room)
	f.room -= n
	f.got.Write(b[:n])
	if n < len(b) {
		return n, errFull
	}
	return n, nil
}

func TestLines(t *testing.T) {
	var w bytes.Buffer
	l := NewLines(&w)
	line := []byte(`{"type":"A"}`)
	for range 2 {
		if err := l.Send(line[:8], line[8:]); err != nil {
			t.Fatal(err)
		}
		copy(line, `{"type":"B"}`) // the caller's again
	}
	if w.Len() != 0 {
		t.Errorf("written before Flush: %q", w.String())
	}
	want := "{\"type\":\"A\"}\n{\"type\":\"B\"}\n"
	if err := l.Flush(); err != nil || w.String() != want {
		t.Errorf("after Flush: %q, %v, want %q", w.String(), err, want)
	}
	if err := l.Send(nil); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil || w.String() != want+"\n" {
		t.Errorf("after Close: %q, %v", w.String(), err)
	}
}

// TestLinesBig: a report bigger than the buffer is one line all the same.
func TestLinesBig(t *testing.T) {
	var w bytes.Buffer
	l := NewLines(&w)
	big := strings.Repeat("x", 8<<20)
	for _, s := range []string{"a", big, "b"} {
		if err := l.Send([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil || w.String() != "a\n"+big+"\nb\n" {
		t.Errorf("%d octets, %v", w.Len(), err)
	}
}

// TestLinesFail: an error of the writer comes out, at the latest from Flush and
// from Close, and stays.
func TestLinesFail(t *testing.T) {
	w := &failing{room: 3}
	l := NewLines(w)
	if err := l.Send([]byte("abcdef")); err != nil {
		t.Errorf("Send: %v, with room in the buffer", err)
	}
	if err := l.Flush(); err != errFull {
		t.Errorf("Flush: %v, want %v", err, errFull)
	}
	if err := l.Send([]byte("ghi")); err != errFull {
		t.Errorf("Send after it: %v, want %v", err, errFull)
	}
	if err := l.Close(); err != errFull {
		t.Errorf("Close: %v, want %v", err, errFull)
	}
	if w.got.String() != "abc" {
		t.Errorf("written %q", w.got.String())
	}
	// A report that does not fit the buffer is told at once.
	if err := NewLines(&failing{}).Send(make([]byte, 1<<20)); err != errFull {
		t.Errorf("Send of a big one: %v, want %v", err, errFull)
	}
}

func TestOpenFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "reports.jsonl")
	for _, line := range []string{"first", "second"} { // the second time it goes on
		l, err := OpenFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Send([]byte(line)); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := l.file.Close(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("the file is open after Close: %v", err)
		}
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != "first\nsecond\n" {
		t.Errorf("%q, %v", b, err)
	}
	missing := filepath.Join(t.TempDir(), "no", "reports.jsonl")
	if _, err := OpenFile(missing); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), missing) {
		t.Errorf("%v, want one that names %s", err, missing)
	}
}

// TestLinesLeavesWriterOpen: standard output is not Lines' to close.
func TestLinesLeavesWriterOpen(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	if err := NewLines(f).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("more"); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestFunc(t *testing.T) {
	var got []string
	var out Output = Func(func(line []byte) { got = append(got, string(line)) })
	for _, s := range []string{"a", "b"} {
		if err := out.Send([]byte(s), []byte("1")); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(out.Flush(), out.Close()); err != nil || strings.Join(got, " ") != "a1 b1" {
		t.Errorf("got %q, %v", got, err)
	}
}

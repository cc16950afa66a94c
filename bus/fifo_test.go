package bus

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFIFO: without a reader a named pipe fails, and does not wait; a reader that
// comes gets what is sent from then on, also after another has left.
func TestFIFO(t *testing.T) {
	name := filepath.Join(t.TempDir(), "fifo")
	if IsFIFO(name) {
		t.Error("there is none yet")
	}
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if !IsFIFO(name) {
		t.Error("not known for what it is")
	}
	o := OpenFIFO(name)
	send := func(line string) error {
		_ = o.Send([]byte(line))
		err := o.Flush()
		if err != nil {
			o.Retry()
		}
		return err
	}
	for _, line := range []string{"first", "second"} {
		if err := send("nobody"); !errors.Is(err, syscall.ENXIO) {
			t.Errorf("without a reader: %v", err)
		}
		r, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := send(line); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		n, err := r.Read(b)
		if got := string(b[:n]); err != nil || strings.TrimSpace(got) != line {
			t.Errorf("read %q, %v, want %s", got, err, line)
		}
		r.Close()
		if err := send("gone"); err == nil || errors.Is(err, syscall.EPIPE) {
			t.Errorf("when the reader has left: %v", err)
		}
	}
	if err := o.Close(); err == nil || err == io.EOF {
		t.Errorf("closed with %v, and what Retry left was not written", err)
	}
}

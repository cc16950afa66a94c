package bus

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

var _ = []Output{(*Queue)(nil), (*Rotating)(nil)}

// gate is an output that waits for its door, and fails when told.
type gate struct {
	mu    sync.Mutex
	open  chan struct{}
	fails error
	lines []string
}

func (g *gate) Send(line ...[]byte) error {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fails == nil {
		g.lines = append(g.lines, string(slices.Concat(line...)))
	}
	return g.fails
}
func (g *gate) Flush() error { return nil }
func (g *gate) Close() error { return nil }

// TestQueueSlow: an output that waits delays nobody; the newest reports stay, and
// the doors add up.
func TestQueueSlow(t *testing.T) {
	var log bytes.Buffer
	g := &gate{open: make(chan struct{})}
	q := newQueue(g, "slow", slog.New(slog.NewTextHandler(&log, nil)), 1<<20, 10)
	for i := range 1000 {
		if err := q.Send(fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	close(g.open)
	err := q.Close()
	s := q.Stats()
	if err == nil || s.Sent+s.Dropped != 1000 || s.Sent != uint64(len(g.lines)) || s.Sent < 10 {
		t.Errorf("%+v of 1000, %d written, %v", s, len(g.lines), err)
	}
	if got := strings.Join(g.lines[len(g.lines)-10:], " "); got != "990 991 992 993 994 995 996 997 998 999" {
		t.Errorf("the newest are gone: %s", got)
	}
	if !strings.Contains(log.String(), "output=slow count=") {
		t.Errorf("log: %s", log.String())
	}
}

// TestQueueBroken: what a broken output does not take is dropped and counted, and
// the next is tried; only a reader that went away is the end.
func TestQueueBroken(t *testing.T) {
	g := &gate{open: make(chan struct{}), fails: errors.New("no space left")}
	close(g.open)
	q := NewQueue(g, "disk", slog.New(slog.DiscardHandler))
	for range 5 {
		if err := q.Send([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Close(); err == nil || err.Error() != "disk: 5 reports dropped" {
		t.Errorf("closed with %v", err)
	}
	g.fails = syscall.EPIPE
	q = NewQueue(g, "stdout", slog.New(slog.DiscardHandler))
	_ = q.Send([]byte("x"))
	if err := q.Close(); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("closed with %v", err)
	}
}

package main

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"ratadns/capture"
)

// A progress tells a terminal how far the reading of captures is, once it has
// taken more than a moment.
type progress struct {
	read    atomic.Int64  // octets
	packets atomic.Uint64 // received
	file    *os.File      // the terminal, or nil
	size    int64         // of all captures, or 0 where it is not known
}

// progressDelay is the moment, and progressStep the time between two lines.
const progressDelay, progressStep = time.Second, 200 * time.Millisecond

func newProgress(f *os.File) *progress {
	p := new(progress)
	if term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		p.file = f
	}
	return p
}

// of tells which captures are read.
func (p *progress) of(names []string) {
	if p.file != nil {
		p.size = capture.Size(names)
	}
}

// start shows the progress until stop, which wipes it out, is called.
func (p *progress) start() (stop func()) {
	if p.file == nil {
		return func() {}
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { p.show(done) })
	return sync.OnceFunc(func() {
		close(done)
		wg.Wait()
	})
}

func (p *progress) show(done <-chan struct{}) {
	began := time.Now()
	next := time.NewTimer(progressDelay)
	defer next.Stop()
	shown := false
	for {
		select {
		case <-done:
			if shown {
				fmt.Fprint(p.file, "\r\x1b[K")
			}
			return
		case <-next.C:
			fmt.Fprintf(p.file, "\r%s\x1b[K", p.line(time.Since(began)))
			shown = true
			next.Reset(progressStep)
		}
	}
}

// line says how much has been read of how much, and how fast.
func (p *progress) line(since time.Duration) string {
	packets, read := p.packets.Load(), p.read.Load()
	rate := float64(packets) / since.Seconds()
	switch {
	case read == 0:
		return fmt.Sprintf("%d packets, %.0f packets/s", packets, rate)
	case p.size == 0:
		return fmt.Sprintf("%s, %d packets, %.0f packets/s", megabytes(read), packets, rate)
	}
	read = min(read, p.size)
	return fmt.Sprintf("%s of %s (%d%%), %d packets, %.0f packets/s", megabytes(read), megabytes(p.size), 100*read/p.size, packets, rate)
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// Package bus is how reports travel: to standard output, to a file, to Redis,
// or to another part of the same process. One report is one line or one
// message, whatever carries it.
package bus

import (
	"bufio"
	"io"
	"os"
	"slices"
)

// An Output takes reports.
type Output interface {
	// Send takes one report, without a line end and perhaps in parts; the octets
	// are the caller's again when it returns.
	Send(line ...[]byte) error
	// Flush passes on what was held back to be sent together.
	Flush() error
	Close() error
}

// A Func hands each report to a function in the same process.
type Func func(line []byte)

// Send implements [Output].
func (f Func) Send(line ...[]byte) error { f(slices.Concat(line...)); return nil }

// Flush implements [Output].
func (Func) Flush() error { return nil }

// Close implements [Output].
func (Func) Close() error { return nil }

// Discard is the output of reports that nobody wants.
var Discard Output = discard{}

type discard struct{}

func (discard) Send(...[]byte) error { return nil }
func (discard) Flush() error         { return nil }
func (discard) Close() error         { return nil }

// Lines writes each report as a line. It blocks as long as its writer does:
// files and pipes lose nothing.
type Lines struct {
	w    io.Writer
	buf  *bufio.Writer
	file io.Closer
}

// NewLines returns an output that writes to w and leaves it open.
func NewLines(w io.Writer) *Lines {
	return &Lines{w: w, buf: bufio.NewWriterSize(w, 64<<10)}
}

// OpenFile returns an output that appends to the file of that name.
func OpenFile(name string) (*Lines, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	l := NewLines(f)
	l.file = f
	return l, nil
}

// Send implements [Output].
func (l *Lines) Send(line ...[]byte) error {
	for _, part := range line {
		if _, err := l.buf.Write(part); err != nil {
			return err
		}
	}
	return l.buf.WriteByte('\n')
}

// Flush implements [Output].
func (l *Lines) Flush() error { return l.buf.Flush() }

// Retry forgets an error: what is sent next is tried again, after the end of
// what may be half a line.
func (l *Lines) Retry() {
	l.buf.Reset(l.w)
	_ = l.buf.WriteByte('\n') // into the buffer
}

// Close implements [Output].
func (l *Lines) Close() error {
	err := l.buf.Flush()
	if l.file != nil {
		if cerr := l.file.Close(); err == nil {
			err = cerr
		}
	}
	return err
}

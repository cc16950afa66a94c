package bus

import (
	"fmt"
	"os"
	"syscall"
)

// A fifo writes to a named pipe. To open one waits for a reader, and to write when
// the reader has gone breaks the pipe: here both are errors, after which it is
// opened again.
type fifo struct {
	name string
	file *os.File // or nil
}

// OpenFIFO returns an output that writes to a named pipe, for a queue: it opens
// the pipe when there is something to write, and fails while nobody reads.
func OpenFIFO(name string) *Lines {
	f := &fifo{name: name}
	l := NewLines(f)
	l.file = f
	return l
}

// IsFIFO reports whether there is a named pipe of that name.
func IsFIFO(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode()&os.ModeNamedPipe != 0
}

// Write implements [io.Writer].
func (f *fifo) Write(b []byte) (n int, err error) {
	if f.file == nil {
		if f.file, err = os.OpenFile(f.name, os.O_WRONLY|syscall.O_NONBLOCK, 0); err != nil {
			f.file = nil
			return 0, err
		}
	}
	if n, err = f.file.Write(b); err != nil {
		_ = f.Close()
		// Not EPIPE, which says that there will never be a reader again.
		err = fmt.Errorf("%v", err)
	}
	return n, err
}

// Close implements [io.Closer].
func (f *fifo) Close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}

package archive

import (
	"io"

	"ratadns/capture"
)

// ahead reads a source in a goroutine of its own, so that a pipe that is
// silent does not keep a command from ending, and reading and writing overlap.
// Its two batches go round: taken from full, given back to free. Whoever has
// one is alone with it.
type ahead struct {
	full chan *capture.Batch // closed at the end
	free chan *capture.Batch // to be closed by the taker when it has done
	err  error               // why full was closed; nil at the end of the capture
}

// readAhead opens a source and reads it. The goroutine closes the source, after
// its last read has returned.
func readAhead(open func() (capture.Source, error)) *ahead {
	a := &ahead{full: make(chan *capture.Batch, 2), free: make(chan *capture.Batch, 2)}
	a.free <- new(capture.Batch)
	a.free <- new(capture.Batch)
	go func() {
		defer close(a.full)
		src, err := open()
		if err != nil {
			a.err = err
			return
		}
		for b := range a.free {
			if err = src.Read(b); err != nil {
				break
			}
			a.full <- b
		}
		if cerr := src.Close(); err == nil || err == io.EOF {
			err = cerr
		}
		a.err = err
	}()
	return a
}

// Package archive keeps packets for ever, in files named by time, and plays
// them again.
//
// A file is a classic pcap with nanoseconds inside zstd, which `zstdcat FILE |
// tcpdump -r -` reads. It holds the packets of one slot of capture time, in the
// order they came, and of one link type, because pcap can say only one. It is
// a sequence of zstd frames that each hold whole packets and are written at
// once: whatever kills the writer, the frames before it are good. While a file
// grows its name ends in .partial; a name without that is complete, and nothing
// ever writes over it. Start at [Archive.Run].
package archive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/klauspost/compress/zstd"

	"ratadns/capture"
)

// An Archive writes packets into the files of one directory. Only one may
// write into a directory at a time.
type Archive struct {
	cfg     Config
	log     *slog.Logger
	lock    *os.File
	encoder *zstd.Encoder
	frame   []byte // compressed, reused
	files   []*file
	stats   Stats
	err     error // the first, after which nothing is taken

	started bool
	slot    int64 // start of the slot that files are of
	strays  int   // packets in a row that are far from it
	stray   int64 // time of the last of them
}

// New opens the archive in cfg.Dir and completes what a killed writer left
// there. It makes the directory if there is none.
func New(cfg Config, log *slog.Logger) (*Archive, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o750); err != nil {
		return nil, naming(cfg.Dir, err)
	}
	lock, err := lockDir(cfg.Dir, log)
	if err != nil {
		return nil, err
	}
	a := &Archive{cfg: cfg, log: log, lock: lock}
	if a.encoder, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)); err == nil {
		err = a.recover()
	}
	if err != nil {
		return nil, errors.Join(err, unlock(lock))
	}
	return a, nil
}

// Run keeps what the source that open gives has, until its end or until ctx is
// done, which is no error. It writes what it has to the files every cfg.Flush,
// also while the source is silent. Close must still be called.
func (a *Archive) Run(ctx context.Context, open func() (capture.Source, error)) error {
	in := readAhead(open)
	defer close(in.free)
	tick := time.NewTicker(a.cfg.Flush)
	defer tick.Stop()
	done := ctx.Done()
	var end <-chan time.Time
	for {
		select {
		case b, ok := <-in.full:
			if !ok {
				return in.err
			}
			if err := a.Write(b.Packets); err != nil {
				return err
			}
			in.free <- b
		case <-tick.C:
			if err := a.Flush(); err != nil {
				return err
			}
		case <-done:
			done, end = nil, time.After(grace)
		case <-end:
			return a.drain(in)
		}
	}
}

// grace is how long Run goes on reading after ctx is done. The capture program
// at the other end of a pipe hears the same Ctrl-C and flushes its last packets.
const grace = 200 * time.Millisecond

// drain keeps what was read already. No batch goes back, so it ends.
func (a *Archive) drain(in *ahead) error {
	for {
		select {
		case b, ok := <-in.full:
			if !ok {
				return in.err
			}
			if err := a.Write(b.Packets); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// Write keeps packets. It copies them; what it has is on disk after Flush.
// After an error, which Write then always returns, nothing more is taken.
func (a *Archive) Write(packets []capture.Packet) error {
	a.stats.Received += uint64(len(packets))
	for len(packets) > 0 && a.err == nil {
		n, err := a.write(packets)
		a.err = err
		packets = packets[n:]
	}
	a.stats.Lost += uint64(len(packets))
	return a.err
}

// write keeps the first packets, as many as go into one frame of one file, and
// returns how many.
func (a *Archive) write(packets []capture.Packet) (int, error) {
	p := &packets[0]
	if slot := a.slotFor(p.Time); slot != a.slot {
		if err := a.finishAll(); err != nil {
			return 0, err
		}
		a.slot = slot
	}
	f, err := a.file(p)
	if err != nil {
		return 0, err
	}
	room := min(int64(a.cfg.RotateSize)-f.size, frameSize-int64(len(f.raw)))
	size, n := record(p), 1
	for ; n < len(packets); n++ {
		p := &packets[n]
		if p.Link != f.link || !a.inSlot(p.Time) || size+record(p) > room {
			break
		}
		size += record(p)
		a.strays = 0
	}
	if err := f.add(packets[:n]); err != nil {
		return 0, err
	}
	if len(f.raw) >= frameSize {
		return n, a.flush(f)
	}
	return n, nil
}

const (
	// frameSize is where a frame ends, before compression. Larger ones
	// compress hardly better and make a search read more than it needs.
	frameSize = 4 << 20

	// drift is how late a packet may come and still be kept among those that
	// came with it. Captures of several queues are out of order by milliseconds.
	drift = int64(time.Minute)

	// far is the longest gap in a capture that is believed at once.
	far = int64(366 * 24 * time.Hour)

	// agree is how many packets in a row it takes to believe a longer gap,
	// or a time before the slot: one packet from 1970 changes nothing.
	agree = 3
)

func (a *Archive) inSlot(t int64) bool {
	return t >= a.slot-drift && t < a.slot+int64(a.cfg.Rotate)
}

// slotFor returns the start of the slot in whose file a packet of time t goes:
// the present one, unless time has moved on.
func (a *Archive) slotFor(t int64) int64 {
	length := int64(a.cfg.Rotate)
	slot := t - ((t%length)+length)%length
	switch ahead := t - a.slot; {
	case !a.started:
		a.started = true
		a.slot = slot
	case a.inSlot(t):
		a.strays = 0
		return a.slot
	case ahead < 0 || ahead > far:
		if gap := t - a.stray; gap < -far || gap > far {
			a.strays = 0
		}
		a.stray = t
		if a.strays++; a.strays < agree {
			return a.slot
		}
	}
	a.strays = 0
	return slot
}

// maxOpen bounds the files, one per link type, that grow at the same time.
const maxOpen = 8

// file returns the file that p goes to, a new one where there is none or
// the one there is would grow too long.
func (a *Archive) file(p *capture.Packet) (*file, error) {
	for i, f := range a.files {
		if f.link != p.Link {
			continue
		}
		if f.size <= headerSize || f.size+record(p) <= int64(a.cfg.RotateSize) {
			return f, nil
		}
		if err := a.finish(i); err != nil {
			return nil, err
		}
		break
	}
	if len(a.files) == maxOpen {
		if err := a.finish(0); err != nil {
			return nil, err
		}
	}
	f, err := a.create(p.Link)
	if err != nil {
		return nil, err
	}
	a.files = append(a.files, f)
	return f, nil
}

// Flush writes what is in memory to the files, as a frame each.
func (a *Archive) Flush() error {
	for _, f := range a.files {
		if err := a.flush(f); err != nil && a.err == nil {
			a.err = err
		}
	}
	return a.err
}

// Close completes all files. It keeps what can be kept, also after an error,
// and returns the first that it met itself.
func (a *Archive) Close() error {
	err := a.finishAll()
	a.encoder.Close()
	return errors.Join(err, unlock(a.lock))
}

// finishAll completes all files, and returns the first error.
func (a *Archive) finishAll() error {
	var first error
	for len(a.files) > 0 {
		if err := a.finish(0); first == nil {
			first = err
		}
	}
	return first
}

// Stats returns the counts so far.
func (a *Archive) Stats() Stats { return a.stats }

// naming makes the error start with the thing it is about, once.
func naming(path string, err error) error {
	var perr *os.PathError
	if errors.As(err, &perr) {
		err = perr.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}

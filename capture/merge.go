package capture

import (
	"cmp"
	"errors"
	"io"
	"log/slog"
	"math"
	"os"
	"slices"
	"sync/atomic"
)

// Open reads the captures of those names, in the order of their first packets,
// overlapping ones merged by time; "-" is standard input and keeps its place
// in the list, and a directory stands for the files in it. What is odd but no
// error is logged. One that is damaged does not keep the others from being read:
// the error comes after all packets.
func Open(names []string, log *slog.Logger) (Source, error) {
	return OpenCounted(names, log, nil)
}

// OpenCounted is Open, and adds what has been read of the captures, as they are
// on the disk, to read. That is about [Size] at the end.
func OpenCounted(names []string, log *slog.Logger, read *atomic.Int64) (Source, error) {
	names, err := expand(names, log)
	if err != nil {
		return nil, err
	}
	if len(names) == 1 {
		return openFile(names[0], log, read)
	}
	all := &chain{log: log}
	var run []string
	flush := func() error {
		if len(run) == 0 {
			return nil
		}
		m, err := newMerge(run, log, read)
		if err == nil {
			all.sources = append(all.sources, m)
		}
		run = nil
		return err
	}
	for _, name := range names {
		if name != "-" {
			run = append(run, name)
			continue
		}
		if err := flush(); err != nil {
			return nil, errors.Join(err, all.Close())
		}
		f, err := openFile(name, log, read)
		if err != nil {
			return nil, errors.Join(err, all.Close())
		}
		all.sources = append(all.sources, f)
	}
	if err := flush(); err != nil {
		return nil, errors.Join(err, all.Close())
	}
	return all, nil
}

// broken are the errors of captures that could not be read to their ends.
type broken struct{ err error }

// add keeps the error of one of them, and tells of it at once where others are
// read on.
func (f *broken) add(err error, others bool, log *slog.Logger) {
	if err == nil {
		return
	}
	if f.err = errors.Join(f.err, err); others {
		log.Warn("damaged capture is left, the others are read on", "err", err)
	}
}

// end is what comes after all packets.
func (f *broken) end() error { return cmp.Or(f.err, io.EOF) }

// chain reads one source after the other.
type chain struct {
	log     *slog.Logger
	sources []Source
	broken  broken
}

func (c *chain) Read(b *Batch) error {
	for len(c.sources) > 0 {
		err := c.sources[0].Read(b)
		if err == nil {
			return nil
		}
		if err == io.EOF {
			err = nil
		}
		err = errors.Join(err, c.sources[0].Close())
		c.sources = c.sources[1:]
		c.broken.add(err, len(c.sources) > 0, c.log)
	}
	b.Packets = b.Packets[:0]
	return c.broken.end()
}

func (c *chain) Close() error {
	var err error
	for _, s := range c.sources {
		err = errors.Join(err, s.Close())
	}
	c.sources = nil
	return err
}

// merge reads files by time. Files not reached yet are not open, so that a
// year of hourly captures needs one file at a time.
type merge struct {
	log     *slog.Logger
	read    *atomic.Int64 // octets, or nil
	waiting []waiting     // by first packet
	active  []*cursor
	broken  broken
}

type waiting struct {
	name  string
	first int64
	open  *cursor // what cannot be opened twice, a pipe, stays open
}

// A cursor is an open file and its next packet.
type cursor struct {
	src   Source
	batch Batch
	i     int
}

func (c *cursor) head() *Packet { return &c.batch.Packets[c.i] }

// next moves on; it returns io.EOF after the last packet.
func (c *cursor) next() error {
	if c.i++; c.i < len(c.batch.Packets) {
		return nil
	}
	c.i = 0
	return c.src.Read(&c.batch)
}

func newMerge(names []string, log *slog.Logger, read *atomic.Int64) (*merge, error) {
	m := &merge{log: log, read: read}
	for _, name := range names {
		w, err := m.look(name)
		if err == io.EOF {
			continue
		}
		if err != nil {
			return nil, errors.Join(err, m.Close())
		}
		m.waiting = append(m.waiting, w)
	}
	slices.SortStableFunc(m.waiting, func(a, b waiting) int { return cmp.Compare(a.first, b.first) })
	return m, nil
}

// look finds the time of a file's first packet; io.EOF is a pipe without any.
func (m *merge) look(name string) (waiting, error) {
	info, err := os.Stat(name)
	if err != nil {
		return waiting{}, err
	}
	pipe := !info.Mode().IsRegular()
	log := m.log
	if !pipe { // what is odd is said when the file has its turn
		log = slog.New(slog.DiscardHandler)
	}
	read := m.read
	if !pipe { // it is read again
		read = nil
	}
	f, err := openFile(name, log, read)
	if err != nil {
		return waiting{}, err
	}
	c, w := &cursor{src: f}, waiting{name: name}
	switch err = f.Read(&c.batch); {
	case err != nil && !pipe: // no packets: it opens first and says why
		w.first = math.MinInt64
	case err != nil:
		f.Close()
		return w, err
	default:
		w.first = c.head().Time
		if pipe {
			w.open = c
			return w, nil
		}
	}
	return w, f.Close()
}

// open gives the cursor of a file whose turn has come, or io.EOF.
func (m *merge) open(w waiting) (*cursor, error) {
	if w.open != nil {
		return w.open, nil
	}
	f, err := openFile(w.name, m.log, m.read)
	if err != nil {
		return nil, err
	}
	c := &cursor{src: f}
	if err := f.Read(&c.batch); err != nil {
		f.Close()
		return nil, err
	}
	return c, nil
}

// earliest opens what begins before the next packet and returns the index of
// the cursor that holds it, or -1 at the end.
func (m *merge) earliest() int {
	for {
		best := -1
		for i, c := range m.active {
			if best < 0 || c.head().Time < m.active[best].head().Time {
				best = i
			}
		}
		if len(m.waiting) == 0 || best >= 0 && m.active[best].head().Time < m.waiting[0].first {
			return best
		}
		w := m.waiting[0]
		m.waiting = m.waiting[1:]
		switch c, err := m.open(w); err {
		case nil:
			m.active = append(m.active, c)
		case io.EOF:
		default:
			m.leave(err)
		}
	}
}

// Read implements [Source].
func (m *merge) Read(b *Batch) error {
	b.Reset()
	for !b.full() && m.step(b) {
	}
	if len(b.Packets) > 0 {
		return nil
	}
	return m.broken.end()
}

// step appends the next packet, and returns false where there is none.
func (m *merge) step(b *Batch) bool {
	i := m.earliest()
	if i < 0 {
		return false
	}
	c := m.active[i]
	b.Append(c.head())
	if err := c.next(); err != nil {
		m.active = slices.Delete(m.active, i, i+1)
		if err == io.EOF {
			err = nil
		}
		m.leave(errors.Join(err, c.src.Close()))
	}
	return true
}

// leave goes on without a file that cannot be read on.
func (m *merge) leave(err error) { m.broken.add(err, len(m.active)+len(m.waiting) > 0, m.log) }

// Close implements [Source].
func (m *merge) Close() error {
	var err error
	for _, c := range m.active {
		err = errors.Join(err, c.src.Close())
	}
	for _, w := range m.waiting {
		if w.open != nil {
			err = errors.Join(err, w.open.src.Close())
		}
	}
	m.active, m.waiting = nil, nil
	return err
}

package capture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
)

// file reads one capture, of a format and compression that its content tells.
type file struct {
	name    string
	r       io.Reader // decompressed
	close   []func() error
	format  format
	carry   []byte // the beginning of a record whose end is not read yet
	offset  int64  // of carry in the decompressed capture
	pending error  // to be returned when the batch before it has been taken
	steady  bool   // see [Steady]
	cut     error  // what Read returns at the end of a capture that is cut; nil is io.EOF, and a line of log
	log     *slog.Logger
}

// openFile opens the capture of that name; "-" is standard input. What is read
// of it is added to read, which may be nil.
func openFile(name string, log *slog.Logger, read *atomic.Int64) (*file, error) {
	if name == "-" {
		return newFile("stdin", counting(os.Stdin, read), log)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	r, err := newFile(name, counting(newCached(f), read), log)
	if err != nil {
		f.Close()
		return nil, err
	}
	r.close = append(r.close, f.Close)
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		_, r.steady = r.r.(*prefixed)
		if p, ok := r.format.(*pcap); ok { // a pipe may not have more than one packet for hours
			r.ahead()
			p.fit(r.carry)
		}
	}
	return r, nil
}

// ahead reads the first octets of a capture before they are asked for.
func (f *file) ahead() {
	f.carry = make([]byte, BlockSize/2)
	n := 0
	for n < len(f.carry) {
		m, err := f.r.Read(f.carry[n:])
		n += m
		if err != nil {
			f.r = ended{err}
			break
		}
	}
	f.carry = f.carry[:n]
}

// ended is a reader that has come to its end.
type ended struct{ err error }

func (e ended) Read([]byte) (int, error) { return 0, e.err }

// Steady reports whether src is one plain file: to read it neither waits nor
// takes work that could be done ahead by another core.
func Steady(src Source) bool {
	f, ok := src.(*file)
	return ok && f.steady
}

// counting is r, of which the octets are added to n where that is not nil.
func counting(r io.Reader, n *atomic.Int64) io.Reader {
	if n == nil {
		return r
	}
	return &counted{r, n}
}

type counted struct {
	r io.Reader
	n *atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// NewReader reads a capture from r; name is for messages.
func NewReader(name string, r io.Reader, log *slog.Logger) (Source, error) {
	return newFile(name, r, log)
}

// errNotCapture is of a file of another kind, or an empty one.
var errNotCapture = errors.New("not a capture")

// These are of captures that are cut before their first packet.
var (
	errCutAtOnce = errors.New("cut inside its first compressed block")
	errCutHeader = errors.New("cut inside its header")
)

func newFile(name string, r io.Reader, log *slog.Logger) (*file, error) {
	f := &file{name: name, log: log}
	var err error
	if f.r, err = f.decompress(r); err != nil {
		if err == io.ErrUnexpectedEOF {
			err = errCutAtOnce
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	// A pcapng section header and a pcap header both fit in 24 octets.
	head := make([]byte, pcapHeaderLen)
	n, err := io.ReadFull(f.r, head)
	head = head[:n]
	if isFstrm(head) {
		f.format, f.carry = &fstrm{}, head
		return f, nil
	}
	if n >= 4 && binary.LittleEndian.Uint32(head) == ngSection {
		f.format, f.carry = &pcapng{order: binary.LittleEndian}, head
		return f, nil
	}
	if n == pcapHeaderLen {
		if p, ok := newPcap(head); ok {
			f.format, f.offset = p, pcapHeaderLen
			return f, nil
		}
	}
	f.Close()
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if n == 0 && err == io.ErrUnexpectedEOF {
		return nil, fmt.Errorf("%s: %w", name, errCutAtOnce)
	}
	if n == 0 {
		return nil, fmt.Errorf("%s: %w: empty", name, errNotCapture)
	}
	if n < pcapHeaderLen {
		if _, ok := newPcap(append(head, make([]byte, pcapHeaderLen-n)...)); ok {
			return nil, fmt.Errorf("%s: %w", name, errCutHeader)
		}
	}
	for _, f := range foreigners {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return nil, fmt.Errorf("%s: %w but %s", name, errNotCapture, f.what)
		}
	}
	return nil, fmt.Errorf("%s: %w: starts with %s", name, errNotCapture, show(head[:min(n, 16)]))
}

// foreigners are what people take for captures, and ways round it.
var foreigners = []struct{ magic, what string }{
	{"snoop\x00\x00\x00", "a snoop file, which editcap turns into one"},
	{"\xac\x01\x00\x1c", "a file of an IXIA device, which editcap turns into one"},
	{"\xab\x01\x00\x1c", "a file of an IXIA device, which editcap turns into one"},
	{"PK\x03\x04", "a zip archive: unpack it first"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"},
	{"\x1f\x9d", "a file of compress: zcat FILE | ratadns ... -r -"},
	{"\x5d\x00\x00", "a file of lzma: xz -dc FILE | ratadns ... -r -"},
	{"\x1f\x8b", "compressed twice: zcat FILE | ratadns ... -r -"},
}

// show writes octets for people: as text where they are text.
func show(b []byte) string {
	for _, c := range b {
		if c < 0x20 && c != '\n' && c != '\t' && c != '\r' || c > 0x7e {
			return fmt.Sprintf("% x", b)
		}
	}
	return fmt.Sprintf("%q", b)
}

func (f *file) decompress(r io.Reader) (io.Reader, error) {
	head := make([]byte, 6)
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	head = head[:n]
	whole := io.MultiReader(bytes.NewReader(head), r)
	if skippable(head) {
		b := bufio.NewReader(whole)
		if err := skipFrames(b); err != nil {
			return nil, err
		}
		return f.decompress(b)
	}
	for _, c := range compressions {
		if !bytes.HasPrefix(head, []byte(c.magic)) {
			continue
		}
		z, closer, err := c.open(bufio.NewReaderSize(whole, 64<<10))
		if err != nil {
			return nil, err
		}
		if closer != nil {
			f.close = append(f.close, closer)
		}
		return z, nil
	}
	return &prefixed{head: head, r: r}, nil
}

// prefixed gives head and then r, reading r directly into the caller's buffer.
type prefixed struct {
	head []byte
	r    io.Reader
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.head) > 0 {
		n := copy(b, p.head)
		p.head = p.head[n:]
		return n, nil
	}
	return p.r.Read(b)
}

// Read implements [Source].
func (f *file) Read(b *Batch) error {
	b.Packets = b.Packets[:0]
	if f.pending != nil {
		return f.pending
	}
	// The carry may come from a batch that had grown for a long record.
	if need := max(BlockSize, 2*len(f.carry)); cap(b.buf) < need {
		b.buf = make([]byte, need)
	}
	b.buf = b.buf[:cap(b.buf)]
	n := copy(b.buf, f.carry)
	f.carry = f.carry[:0]
	for {
		m, rerr := f.r.Read(b.buf[n:])
		n += m
		used, perr := f.format.parse(b.buf[:n], b)
		if skip := used - n; skip > 0 && perr == nil && rerr == nil {
			var skipped int64
			if skipped, rerr = io.CopyN(io.Discard, f.r, int64(skip)); rerr == io.EOF {
				rerr = io.ErrUnexpectedEOF
			}
			f.offset += skipped
			used = n
		}
		left := n - used // negative when the capture ends inside a block that is skipped
		used = min(used, n)
		f.offset += int64(used)
		switch {
		case perr != nil:
			f.pending = fmt.Errorf("%s: offset %d: %w", f.name, f.offset, perr)
		case rerr != nil:
			f.pending = f.end(rerr, left)
		}
		if len(b.Packets) > 0 {
			f.carry = append(f.carry, b.buf[used:n]...)
			return nil
		}
		if f.pending != nil {
			return f.pending
		}
		n = copy(b.buf, b.buf[used:n])
		if n == len(b.buf) { // one record longer than the block
			b.buf = append(b.buf, make([]byte, len(b.buf))...)
		}
	}
}

// end tells what the end of the input means. A capture that is cut inside a
// record or a compressed block is good up to there.
func (f *file) end(err error, left int) error {
	cut := errors.Is(err, io.ErrUnexpectedEOF)
	if err != io.EOF && !cut {
		return fmt.Errorf("%s: offset %d: %w", f.name, f.offset+int64(max(left, 0)), err)
	}
	if left == 0 && !cut {
		return io.EOF
	}
	if f.cut != nil {
		return f.cut
	}
	f.log.Warn("capture ends inside a record", "path", f.name, "offset", f.offset)
	return io.EOF
}

// Close implements [Source].
func (f *file) Close() error {
	var err error
	for _, c := range f.close {
		err = errors.Join(err, c())
	}
	f.close = nil
	return err
}

package capture

import (
	"bufio"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/therootcompany/xz"
)

// maxWindow bounds how far back compressed data may refer, which is the memory
// that a decompressor takes: `xz -9e` needs 64 MiB, `zstd --long` 128 MiB. The
// other compressions refer back by less than 8 MiB, by their formats.
const maxWindow = 128 << 20

// compressions by their first octets.
var compressions = []struct {
	magic string
	open  func(*bufio.Reader) (io.Reader, func() error, error)
}{
	{"\x1f\x8b", openGzip},
	{"\xfd7zXZ\x00", openXz},
	{"\x28\xb5\x2f\xfd", openZstd},
	{"\x04\x22\x4d\x18", openLz4},
	{"\x02\x21\x4c\x18", openLz4}, // as `lz4 -l` writes it
	{"BZh", func(r *bufio.Reader) (io.Reader, func() error, error) {
		return bzip2.NewReader(r), nil, nil
	}},
}

func openLz4(r *bufio.Reader) (io.Reader, func() error, error) { return lz4.NewReader(r), nil, nil }

// skippable reports whether head begins what zstd and lz4 call a skippable
// frame, which may come first: a magic, one of sixteen, a length and so many
// octets (RFC 8878 §3.1.2).
func skippable(head []byte) bool {
	return len(head) >= 4 && head[0]&0xf0 == 0x50 && string(head[1:4]) == "\x2a\x4d\x18"
}

// skipFrames reads over skippable frames.
func skipFrames(r *bufio.Reader) error {
	for {
		h, err := r.Peek(8)
		if !skippable(h) {
			return nil
		}
		if err == nil {
			_, err = io.CopyN(io.Discard, r, 8+int64(binary.LittleEndian.Uint32(h[4:])))
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
}

// tooFar says that a window is too large, and the way round it.
func tooFar(err error, program string) error {
	return fmt.Errorf("%w: it takes more than %d MiB of memory; decompress it first: %s FILE | ratadns ... -r -", err, maxWindow>>20, program)
}

func openZstd(r *bufio.Reader) (io.Reader, func() error, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, nil, err
	}
	return zstdReader{z}, func() error { z.Close(); return nil }, nil
}

type zstdReader struct{ z *zstd.Decoder }

func (r zstdReader) Read(b []byte) (int, error) {
	n, err := r.z.Read(b)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		err = tooFar(err, "zstd -dc --long=31")
	}
	return n, err
}

func openXz(r *bufio.Reader) (io.Reader, func() error, error) {
	z, err := xz.NewReader(r, maxWindow)
	if err != nil {
		return nil, nil, xzError(err)
	}
	return xzReader{z}, nil, nil
}

type xzReader struct{ z *xz.Reader }

// xzPiece is how much of the library's octets an error may take along.
const xzPiece = 4 << 10

// Read reads in pieces: what the library has unpacked for a call that ends in an
// error is lost.
func (r xzReader) Read(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var k int
		k, err = r.z.Read(b[n:min(n+xzPiece, len(b))])
		n += k
		if k < xzPiece {
			break
		}
	}
	return n, xzError(err)
}

// xzError tells the library's errors by the names that all readers use.
func xzError(err error) error {
	switch err {
	case xz.ErrBuf: // more input is needed and there is none
		return io.ErrUnexpectedEOF
	case xz.ErrMemlimit:
		return tooFar(err, "xz -dc")
	}
	return err
}

// gzipReader reads gzip members one after the other, and the zeros that may
// follow the last one: tapes and block devices leave them, and gzip too takes
// them for nothing.
type gzipReader struct {
	r *bufio.Reader
	z gzip.Reader
}

func openGzip(r *bufio.Reader) (io.Reader, func() error, error) {
	g := &gzipReader{r: r}
	return g, nil, g.member()
}

// member begins a member, of which there is at least one octet.
func (g *gzipReader) member() error {
	err := g.z.Reset(g.r)
	if err == io.EOF { // the library's word for a header that is cut
		err = io.ErrUnexpectedEOF
	}
	g.z.Multistream(false)
	return err
}

func (g *gzipReader) Read(b []byte) (n int, err error) {
	for n == 0 && err == nil {
		if n, err = g.z.Read(b); err == io.EOF {
			err = g.next()
		}
	}
	return n, err
}

// next begins the member that follows; io.EOF says that there is none.
func (g *gzipReader) next() error {
	c, err := g.r.Peek(1)
	if err == nil && c[0] != 0 {
		return g.member()
	}
	for err == nil && c[0] == 0 {
		g.r.Discard(1)
		c, err = g.r.Peek(1)
	}
	if err == nil {
		return gzip.ErrHeader
	}
	return err
}

package speedy

import (
	"io"
)

// A Reader reads length-prefixed JSON messages. It takes what other programs
// write: any case of hexadecimal digits, members absent or unknown, white space
// between messages, a length that disagrees with an object that parses. After
// a bad message it goes on at the next that parses.
type Reader struct {
	Stats  ReaderStats
	r      io.Reader
	buf    []byte
	pos    int // of what is not read yet in buf
	err    error
	parser parser
}

// ReaderStats count messages. A run of octets that is no message is one Bad.
type ReaderStats struct {
	Messages uint64 // given to the caller
	Bad      uint64
	Length   uint64 // of Messages, those whose length was wrong
}

// NewReader returns a Reader of r.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: r, buf: make([]byte, 0, 256<<10)}
}

// Next reads the next message into m, which is valid until the next call. The
// error is io.EOF at the end of the input, or that of reading it.
func (r *Reader) Next(m *Message) error {
	bad := false
	for {
		found, err := r.try(m)
		if bad && (found || err != nil) {
			r.Stats.Bad++
		}
		if err != nil {
			return err
		}
		if found {
			r.Stats.Messages++
			return nil
		}
		bad = true
		if err := r.resync(); err != nil {
			r.Stats.Bad++
			return err
		}
	}
}

// maxDigits is the most digits of a length. MaxObject has seven; some programs
// write a fixed number of them.
const maxDigits = 8

// try reads the message at pos. Not found means that there is none.
func (r *Reader) try(m *Message) (found bool, err error) {
	for { // white space between messages
		if err := r.need(1); err != nil {
			return false, err
		}
		if c := r.buf[r.pos]; c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			break
		}
		r.pos++
	}
	n, digits := 0, 0
	for {
		if r.need(digits+1) != nil {
			return false, nil
		}
		c := r.buf[r.pos+digits]
		if c-'0' > 9 {
			break
		}
		n = n*10 + int(c-'0')
		if digits++; digits > maxDigits || n > MaxObject {
			return false, nil
		}
	}
	if digits == 0 || r.buf[r.pos+digits] != '{' {
		return false, nil
	}
	// At the end of the input, and where the length is wrong, what is there
	// may be an object all the same.
	readErr := r.need(digits + n)
	if readErr != nil && readErr != io.EOF {
		return false, readErr
	}
	object := r.buf[r.pos+digits:]
	if len(object) > n {
		if used, ok := r.parser.object(object[:n], m); ok && used == n {
			r.pos += digits + n
			return true, nil
		}
	}
	for {
		used, ok := r.parser.object(object[:min(len(object), MaxObject)], m)
		if ok {
			if used != n {
				r.Stats.Length++
			}
			r.pos += digits + used
			return true, nil
		}
		// Good up to the end of what is here: it may be longer than its
		// length says.
		if used < len(object) || len(object) >= MaxObject || r.err != nil {
			return false, nil
		}
		before := len(object)
		more := 1
		if before > 64<<10 { // not all of a long one again for each piece that comes
			more = before
		}
		r.need(digits + min(before+more, MaxObject)) // or to the end
		if object = r.buf[r.pos+digits:]; len(object) == before {
			return false, nil
		}
	}
}

// resync moves pos to the next place where a message may begin: digits and "{".
func (r *Reader) resync() error {
	// Not inside the digits of the message that was bad.
	for r.need(1) == nil && r.buf[r.pos]-'0' <= 9 {
		r.pos++
	}
	r.pos = min(r.pos+1, len(r.buf))
	for {
		for i := r.pos; i < len(r.buf); i++ {
			if r.buf[i] != '{' || i == r.pos || r.buf[i-1]-'0' > 9 {
				continue
			}
			r.pos = r.digitsBefore(i)
			return nil
		}
		// Digits at the end may be the length of an object to come.
		r.pos = r.digitsBefore(len(r.buf))
		if err := r.need(len(r.buf) - r.pos + 1); err != nil {
			r.pos = len(r.buf)
			return err
		}
	}
}

// digitsBefore returns where the digits before i begin, as many as may be a
// length, but not before pos.
func (r *Reader) digitsBefore(i int) int {
	for first := max(r.pos, i-maxDigits); i > first && r.buf[i-1]-'0' <= 9; {
		i--
	}
	return i
}

// need reads until n octets from pos are in buf.
func (r *Reader) need(n int) error {
	for len(r.buf)-r.pos < n {
		if r.err != nil {
			return r.err
		}
		if r.pos > 0 {
			r.buf = r.buf[:copy(r.buf, r.buf[r.pos:])]
			r.pos = 0
		}
		if cap(r.buf)-len(r.buf) < 64<<10 {
			grown := make([]byte, len(r.buf), 2*cap(r.buf)+n)
			copy(grown, r.buf)
			r.buf = grown
		}
		k, err := r.r.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+k]
		if err != nil {
			r.err = err
		}
	}
	return nil
}

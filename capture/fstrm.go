package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	framestream "github.com/farsightsec/golang-framestream"
)

// fstrm is the format of dnstap files and sockets: Frame Streams, which has
// each frame behind its length, and control frames behind a length of 0
// (https://farsightsec.github.io/fstrm).
type fstrm struct {
	once    bool // ends at STOP; otherwise another stream may follow, as after cat
	arrival bool // frames without a time get the clock's; otherwise that of the frame before
	started bool
	last    int64 // time of the last frame
	tap     Dnstap
}

const (
	// maxFrame bounds one frame. Two messages of 64 KiB with their names and
	// addresses are far below.
	maxFrame = 256 << 10

	// A control frame's shortest beginning: 0, its length and its type.
	controlLen = 12
)

var dnstapContent = []byte("protobuf:dnstap.Dnstap")

// errStop is the end of a stream that says so.
var errStop = errors.New("the stream has ended")

// isFstrm reports whether head begins a Frame Stream: a START frame, or READY
// where a sender was recorded that asks for one.
func isFstrm(head []byte) bool {
	if len(head) < controlLen || binary.BigEndian.Uint32(head) != 0 {
		return false
	}
	n, kind := binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint32(head[8:])
	return n >= 4 && n <= framestream.CONTROL_FRAME_LENGTH_MAX &&
		(kind == framestream.CONTROL_START || kind == framestream.CONTROL_READY)
}

func (f *fstrm) parse(block []byte, b *Batch) (used int, err error) {
	for len(block)-used >= 4 {
		n := int(binary.BigEndian.Uint32(block[used:]))
		if n == 0 {
			size, err := f.control(block[used+4:])
			if err != nil || size == 0 {
				return used, err
			}
			used += 4 + size
			continue
		}
		if !f.started {
			return used, fmt.Errorf("frame of %d octets outside of a stream", n)
		}
		if n > maxFrame {
			return used, fmt.Errorf("frame of %d octets, more than the limit of %d", n, maxFrame)
		}
		end := used + 4 + n
		if end > len(block) {
			break
		}
		f.frame(block[used+4:end:end], b)
		used = end
	}
	return used, nil
}

// frame appends one frame. One that cannot be read goes on all the same: the
// parser counts it.
func (f *fstrm) frame(data []byte, b *Batch) {
	if f.tap.Unpack(data) {
		f.last = f.tap.time(f.untimed())
	} else {
		f.last = f.untimed()
	}
	b.Packets = append(b.Packets, Packet{Time: f.last, Data: data, Wire: len(data), Link: LinkDnstap})
}

// untimed is the time of a frame without one.
func (f *fstrm) untimed() int64 {
	if f.arrival {
		return time.Now().UnixNano()
	}
	return f.last
}

// control reads a control frame from behind its escape. A size of 0 means that
// it is not all there.
func (f *fstrm) control(b []byte) (size int, err error) {
	if len(b) < 4 {
		return 0, nil
	}
	n := binary.BigEndian.Uint32(b)
	if n < 4 || n > framestream.CONTROL_FRAME_LENGTH_MAX {
		return 0, fmt.Errorf("control frame of %d octets", n)
	}
	size = 4 + int(n)
	if size > len(b) {
		return 0, nil
	}
	var c framestream.ControlFrame
	if err := c.Decode(bytes.NewReader(b[:size])); err != nil {
		return 0, fmt.Errorf("control frame: %w", err)
	}
	switch {
	case !f.once && !f.started && (c.ControlType == framestream.CONTROL_READY || c.ControlType == framestream.CONTROL_FINISH):
		// Of the handshake of a socket, that was recorded with the rest.
	case c.ControlType == framestream.CONTROL_START && !f.started:
		if !c.MatchContentType(dnstapContent) {
			return 0, errContent(&c)
		}
		f.started = true
	case c.ControlType == framestream.CONTROL_STOP && f.started:
		f.started = false
		if f.once {
			return 0, errStop
		}
	default:
		return 0, fmt.Errorf("control frame of type %d, which does not belong here", c.ControlType)
	}
	return size, nil
}

// errContent says what a stream has in place of dnstap.
func errContent(c *framestream.ControlFrame) error {
	return fmt.Errorf("frame stream of %s, not of %s", show(bytes.Join(c.ContentTypes, []byte(" "))), dnstapContent)
}

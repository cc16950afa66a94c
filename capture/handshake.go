package capture

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	framestream "github.com/farsightsec/golang-framestream"
)

// handshake reads what a sender says before its frames, and answers where it
// wants answers: then it asks READY first, gets ACCEPT, and gets FINISH at the
// end.
func handshake(r io.Reader, w io.Writer) (answers bool, err error) {
	var c framestream.ControlFrame
	if err := c.DecodeEscape(r); err != nil {
		return false, hello(err)
	}
	if c.ControlType == framestream.CONTROL_READY {
		if !c.MatchContentType(dnstapContent) {
			return true, errContent(&c)
		}
		accept := framestream.ControlFrame{ControlType: framestream.CONTROL_ACCEPT}
		accept.SetContentType(dnstapContent)
		if err := encode(&accept, w); err != nil {
			return true, err
		}
		answers, c = true, framestream.ControlFrame{}
		if err := c.DecodeEscape(r); err != nil {
			return true, hello(err)
		}
	}
	switch {
	case c.ControlType != framestream.CONTROL_START:
		return answers, fmt.Errorf("control frame of type %d in place of START", c.ControlType)
	case !c.MatchContentType(dnstapContent):
		return answers, errContent(&c)
	}
	return answers, nil
}

// hello says what the library's error means here.
func hello(err error) error {
	if errors.Is(err, framestream.ErrDecode) {
		return errors.New("does not begin as Frame Streams do")
	}
	return err
}

// finish answers STOP.
func finish(w io.Writer) error {
	return encode(&framestream.ControlFrame{ControlType: framestream.CONTROL_FINISH}, w)
}

// encode writes a control frame at once, so that it is one segment.
func encode(c *framestream.ControlFrame, w io.Writer) error {
	var b bytes.Buffer
	if err := c.Encode(&b); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

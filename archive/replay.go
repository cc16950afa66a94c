package archive

import (
	"context"
	"errors"
	"fmt"
	"io"

	"ratadns/capture"
)

// ErrLinkTypes is that a capture has packets that one pcap stream cannot hold.
var ErrLinkTypes = errors.New("a pcap stream holds one link type")

// Replay writes the packets of the source that open gives to w as one pcap
// stream with nanoseconds, each when it is due: at the recorded distances
// divided by speed, or without waiting when speed is zero. It flushes w, where
// w can be, after each batch, so that who reads it sees packets in time. When
// ctx is done it ends between two packets, which is no error. It returns how
// many packets it wrote.
func Replay(ctx context.Context, open func() (capture.Source, error), speed float64, w io.Writer) (packets uint64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in := readAhead(func() (capture.Source, error) {
		src, err := open()
		if err != nil {
			return nil, err
		}
		return capture.Pace(ctx, src, speed), nil
	})
	defer close(in.free)
	out := stream{w: w}
	for {
		select {
		case <-ctx.Done():
			return out.packets, nil
		case b, ok := <-in.full:
			switch {
			case !ok && errors.Is(in.err, context.Canceled):
				return out.packets, nil
			case !ok && in.err != nil:
				return out.packets, in.err
			case !ok:
				return out.packets, out.end()
			}
			if err := out.write(b.Packets); err != nil {
				return out.packets, err
			}
			in.free <- b
		}
	}
}

// A stream is a pcap that begins with its first packet, because only that
// tells its link type.
type stream struct {
	w       io.Writer
	pcap    *capture.Writer
	link    capture.LinkType
	packets uint64
}

func (s *stream) begin(link capture.LinkType) (err error) {
	s.link = link
	s.pcap, err = capture.NewWriter(s.w, link)
	return err
}

func (s *stream) write(packets []capture.Packet) error {
	if s.pcap == nil {
		if err := s.begin(packets[0].Link); err != nil {
			return err
		}
	}
	n := 0
	for n < len(packets) && packets[n].Link == s.link {
		n++
	}
	if err := s.pcap.Write(packets[:n]...); err != nil {
		return err
	}
	s.packets += uint64(n)
	if err := s.flush(); err != nil || n == len(packets) {
		return err
	}
	return fmt.Errorf("packet %d is of link type %d, those before it of link type %d: %w",
		s.packets+1, packets[n].Link, s.link, ErrLinkTypes)
}

// end makes a capture also of no packets.
func (s *stream) end() error {
	if s.pcap == nil {
		if err := s.begin(capture.LinkEthernet); err != nil {
			return err
		}
	}
	return s.flush()
}

func (s *stream) flush() error {
	if f, ok := s.w.(interface{ Flush() error }); ok {
		return f.Flush()
	}
	return nil
}

package capture

import (
	"encoding/binary"
	"errors"
	"io"
)

// A Writer writes classic pcap with nanoseconds, little-endian, of one link type.
type Writer struct {
	w   io.Writer
	buf []byte
}

// MaxSnap is the snap length that a Writer's header claims, libpcap's own limit.
const MaxSnap = 262144

// maxTime is the last time that classic pcap can say, in the year 2106.
const maxTime = (1<<32)*1e9 - 1

// ErrNoPackets says that what was to be written are no packets.
var ErrNoPackets = errors.New("dnstap frames are no packets, which a pcap could hold")

// NewWriter writes the file header to w.
func NewWriter(w io.Writer, link LinkType) (*Writer, error) {
	if link == LinkDnstap {
		return nil, ErrNoPackets
	}
	h := make([]byte, 0, pcapHeaderLen)
	h = binary.LittleEndian.AppendUint32(h, 0xa1b23c4d)
	h = binary.LittleEndian.AppendUint16(h, 2)
	h = binary.LittleEndian.AppendUint16(h, 4)
	h = append(h, 0, 0, 0, 0, 0, 0, 0, 0) // time zone and accuracy, zero by the format
	h = binary.LittleEndian.AppendUint32(h, MaxSnap)
	h = binary.LittleEndian.AppendUint32(h, uint32(link))
	_, err := w.Write(h)
	return &Writer{w: w}, err
}

// Write writes packets of the writer's link type in one call to the
// underlying writer.
func (w *Writer) Write(packets ...Packet) error {
	w.buf = w.buf[:0]
	for i := range packets {
		p := &packets[i]
		data := p.Data[:min(len(p.Data), MaxSnap)]
		t := max(0, min(p.Time, maxTime))
		w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(t/1e9))
		w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(t%1e9))
		w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(len(data)))
		w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(max(p.Wire, len(data))))
		w.buf = append(w.buf, data...)
	}
	_, err := w.w.Write(w.buf)
	return err
}

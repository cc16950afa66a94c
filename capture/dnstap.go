package capture

import "google.golang.org/protobuf/encoding/protowire"

// A Dnstap is what one dnstap frame says of one DNS message: the fields of
// dnstap.proto (https://dnstap.info) that this program has a use for. A field
// that the frame lacks is zero. Octets alias the frame.
//
// The few fields are read by hand: the structs of the protobuf library take 17
// allocations a frame and five times as long.
type Dnstap struct {
	Type     int32 // AUTH_QUERY, 1, to UPDATE_RESPONSE, 14; queries are odd, responses even
	Family   int32 // of the socket
	Protocol int32 // of the socket
	Query    DnstapEnd
	Response DnstapEnd
}

// A DnstapEnd is the half of a frame that is about the query and its sender, or
// about the response and its sender.
type DnstapEnd struct {
	Address []byte
	Port    uint32
	Seconds uint64 // since 1970
	Nanos   uint32
	Message []byte
}

// Values of dnstap.proto.
const (
	DnstapINET  = 1 // SocketFamily
	DnstapINET6 = 2

	DnstapUDP         = 1 // SocketProtocol
	DnstapTCP         = 2
	DnstapDOT         = 3
	DnstapDOH         = 4
	DnstapDNSCryptUDP = 5
	DnstapDNSCryptTCP = 6
	DnstapDOQ         = 7

	dnstapMessage = 1  // Dnstap.Type MESSAGE, the only one
	lastType      = 14 // of Message.Type
)

// Unpack reads a frame. It reports false for what is no dnstap frame of a DNS
// message.
func (d *Dnstap) Unpack(frame []byte) bool {
	*d = Dnstap{}
	kind, message := int32(0), false
	for len(frame) > 0 {
		num, typ, n := protowire.ConsumeTag(frame)
		if n < 0 || num > protowire.MaxValidNumber {
			return false
		}
		frame = frame[n:]
		switch {
		case num == 14 && typ == protowire.BytesType: // message
			var b []byte
			if b, n = protowire.ConsumeBytes(frame); n < 0 || !d.unpackMessage(b) {
				return false
			}
			message = true
		case num == 15 && typ == protowire.VarintType: // type
			var v uint64
			v, n = protowire.ConsumeVarint(frame)
			setEnum(&kind, v, dnstapMessage)
		default:
			n = protowire.ConsumeFieldValue(num, typ, frame)
		}
		if n < 0 {
			return false
		}
		frame = frame[n:]
	}
	return message && kind == dnstapMessage && d.Type != 0
}

// unpackMessage reads the inner message. Of a field that comes twice the last
// counts, and one of another wire type is skipped like one not known: so do
// the protobuf libraries.
func (d *Dnstap) unpackMessage(b []byte) bool {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 || num > protowire.MaxValidNumber {
			return false
		}
		b = b[n:]
		switch typ {
		case protowire.VarintType:
			var v uint64
			v, n = protowire.ConsumeVarint(b)
			d.setVarint(num, v)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			switch num {
			case 9:
				d.Query.Nanos = v
			case 13:
				d.Response.Nanos = v
			}
		case protowire.BytesType:
			var v []byte
			v, n = protowire.ConsumeBytes(b)
			d.setBytes(num, v)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return false
		}
		b = b[n:]
	}
	return true
}

func (d *Dnstap) setVarint(num protowire.Number, v uint64) {
	switch num {
	case 1:
		setEnum(&d.Type, v, lastType)
	case 2:
		setEnum(&d.Family, v, DnstapINET6)
	case 3:
		setEnum(&d.Protocol, v, DnstapDOQ)
	case 6:
		d.Query.Port = uint32(v)
	case 7:
		d.Response.Port = uint32(v)
	case 8:
		d.Query.Seconds = v
	case 12:
		d.Response.Seconds = v
	}
}

// setEnum takes a value from 1 to last. Others come from a later dnstap.proto
// and count as if they were not there.
func setEnum(to *int32, v uint64, last int32) {
	if i := int32(v); i >= 1 && i <= last {
		*to = i
	}
}

func (d *Dnstap) setBytes(num protowire.Number, v []byte) {
	switch num {
	case 4:
		d.Query.Address = v
	case 5:
		d.Response.Address = v
	case 10:
		d.Query.Message = v
	case 14:
		d.Response.Message = v
	}
}

// Ends returns the end that sent the message and the other.
func (d *Dnstap) Ends() (from, to *DnstapEnd) {
	if d.Type%2 == 1 {
		return &d.Query, &d.Response
	}
	return &d.Response, &d.Query
}

// time is when the message was seen, or else when the other one was that the
// frame tells of, or else what there is without either. Senders that do not
// know a time leave the field out, or write 0.
func (d *Dnstap) time(without int64) int64 {
	from, to := d.Ends()
	if from.Seconds == 0 {
		from = to
	}
	if from.Seconds == 0 {
		return without
	}
	return int64(min(from.Seconds, maxSeconds))*1e9 + int64(min(from.Nanos, 1e9-1))
}

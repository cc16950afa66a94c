package reduce

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"ratadns/packet"
	"ratadns/report"
	"ratadns/speedy"
)

// A PacketKind is what reducers of packets tell apart.
type PacketKind struct {
	Interface uint8
	Fate      PacketFate
	Version   uint8 // of IP, 0 where it is not IP
	Protocol  uint8 // of IP
	Direction Direction
}

// A PacketFate is what became of a packet.
type PacketFate uint8

// The fates.
const (
	UsedPacket    PacketFate = iota // it is of a DNS message, or may be
	NotDNS                          // not IP, of another port, or too short
	DroppedPacket                   // the kernel had no room for it
)

// A Direction is where a packet goes.
type Direction uint8

// The directions, in the order of directionWords.
const (
	Elsewhere Direction = iota
	Sent
	Received
)

var directionWords = [...]string{"else", "sent", "recv"}

// PacketCounts count the packets of a window by kind. There are so few kinds that
// they need no other bound.
type PacketCounts map[PacketKind]uint64

// KindOf is what s is, which left the parser by that door. Its direction is told
// by own, the server's addresses, and where that is nil by the ports.
func KindOf(door packet.Door, s *packet.Segment, own func(netip.Addr) bool, sides *speedy.Sides) PacketKind {
	k := PacketKind{Interface: s.Interface, Version: s.Version}
	if door == packet.NotIP || door == packet.NotDNSPort || door == packet.DNS && s.Short() {
		k.Fate = NotDNS
	}
	if s.Version == 0 {
		return k
	}
	k.Protocol = s.Protocol
	switch {
	case own != nil && own(s.Source), own == nil && door == packet.DNS && sides.Between(s.SourcePort, s.DestPort):
		k.Direction = Sent
	case own != nil && own(s.Dest), own == nil && door == packet.DNS && sides.Between(s.DestPort, s.SourcePort):
		k.Direction = Received
	}
	return k
}

// A packetReducer is a Reducer of packets. They are counted once for all workers.
type packetReducer interface {
	addPackets(PacketCounts, []string)
}

// directions count IP packets by direction and protocol.
type directions map[[2]string]uint64

func newDirections(Params) Reducer { return directions{} }

func (d directions) Add(*Event) {}

func (d directions) addPackets(p PacketCounts, _ []string) {
	for k, n := range p {
		if k.Version != 0 {
			d[[2]string{directionWords[k.Direction], protocolWord(k.Protocol)}] += n
		}
	}
}

// protocolWord is the key of an IP protocol: the names that DSC has, otherwise
// the number of IANA's registry.
func protocolWord(p uint8) string {
	switch p {
	case 1:
		return "icmp"
	case 6:
		return "tcp"
	case 17:
		return "udp"
	}
	return strconv.Itoa(int(p))
}

func (d directions) Merge(other Reducer) {
	for k, n := range other.(directions) {
		d[k] += n
	}
}

func (d directions) Report(r *report.Report) {
	outer := make(map[string]map[string]uint64)
	for k, n := range d {
		if outer[k[0]] == nil {
			outer[k[0]] = make(map[string]uint64)
		}
		outer[k[0]][k[1]] = n
	}
	reportNested(r, outer)
}

func (d directions) Reset() { clear(d) }

// reportNested fills in a table of tables.
func reportNested(r *report.Report, outer map[string]map[string]uint64) {
	r.Shape = report.TableOf
	data := []byte{'{'}
	for i, key := range slices.Sorted(maps.Keys(outer)) {
		if i > 0 {
			data = append(data, ',')
		}
		data = append(report.AppendString(data, key), ':', '{')
		for i, inner := range slices.Sorted(maps.Keys(outer[key])) {
			if i > 0 {
				data = append(data, ',')
			}
			data = report.AppendCount(append(report.AppendString(data, inner), ':'), outer[key][inner])
		}
		data = append(data, '}')
	}
	r.Data = append(data, '}')
}

// pcapStats count what became of packets, and the messages in them, by
// interface.
type pcapStats struct {
	interfaces []string
	counts     map[uint8]*capStats
}

type capStats struct{ received, notDNS, dropped, decoded, malformed uint64 }

func newPcapStats(Params) Reducer { return &pcapStats{counts: make(map[uint8]*capStats)} }

func (p *pcapStats) at(iface uint8) *capStats {
	c := p.counts[iface]
	if c == nil {
		c = new(capStats)
		p.counts[iface] = c
	}
	return c
}

func (p *pcapStats) Add(e *Event) {
	if e.Malformed != 0 {
		p.at(e.Interface).malformed++
	} else {
		p.at(e.Interface).decoded++
	}
}

func (p *pcapStats) addPackets(counts PacketCounts, interfaces []string) {
	p.interfaces = interfaces
	for k, n := range counts {
		c := p.at(k.Interface)
		switch k.Fate {
		case DroppedPacket:
			c.dropped += n
			continue
		case NotDNS:
			c.notDNS += n
		}
		c.received += n
	}
}

func (p *pcapStats) Merge(other Reducer) {
	for i, o := range other.(*pcapStats).counts {
		c := p.at(i)
		c.received += o.received
		c.notDNS += o.notDNS
		c.dropped += o.dropped
		c.decoded += o.decoded
		c.malformed += o.malformed
	}
}

// captureKey stands for the interface where packets come from none.
const captureKey = "capture"

func (p *pcapStats) Report(r *report.Report) {
	outer := make(map[string]map[string]uint64)
	for i, c := range p.counts {
		name := captureKey
		if int(i) < len(p.interfaces) {
			name = p.interfaces[i]
		}
		outer[name] = map[string]uint64{
			"received": c.received, "not_dns": c.notDNS, "dropped": c.dropped, "decoded": c.decoded, "malformed": c.malformed,
		}
	}
	reportNested(r, outer)
}

func (p *pcapStats) Reset() { clear(p.counts) }

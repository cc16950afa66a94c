package speedy

import (
	"slices"
	"strings"
)

// tsharkDiffers lists the captures that tshark reads otherwise, why, and how to
// make ours of its reading.
var tsharkDiffers = map[string]func(*heard){
	// Fewer than twelve octets are DNS for tshark; RFC 1035 §4.1.1 has no such
	// message.
	"dns-short":                func(h *heard) { h.unsaid(0, 8) },
	"dns-truncated-everywhere": func(h *heard) { h.unsaid(0, 8) },
	"tcp-length-short":         func(h *heard) { h.unsaid(0, 1) },
	// Nor does the capture have enough of these.
	"pcap-snap-header": func(h *heard) { h.unsaid(0, 2) },

	// Where a name cannot be read, tshark puts a remark in its place and goes on
	// behind it; we stop there.
	"dns-names-255": func(h *heard) {
		h.Types, h.Classes = h.Types[:2], h.Classes[:2]
		h.Names = strings.TrimSuffix(h.Names, ",<Name too long>")
	},
	"dns-pointer-loop": func(h *heard) { h.Types, h.Classes, h.Names = nil, nil, "" },
	// A pointer forward is not "a prior occurrence of the same name" (RFC 1035
	// §4.1.4); tshark follows it.
	"dns-pointer-forward": func(h *heard) { h.Types, h.Classes, h.Names = nil, nil, "" },
	// A message with two OPT records is malformed (RFC 6891 §6.1.1), and we stop
	// at the second.
	"edns-repeated": func(h *heard) { h.Rcodes = h.Rcodes[:1] },

	// tshark puts overlapping fragments together; RFC 5722 drops the datagram.
	"ipv4-fragments-overlap":   func(h *heard) { *h = heard{} },
	"ipv4-fragments-contained": func(h *heard) { *h = heard{} },
	"ipv6-fragments-overlap":   func(h *heard) { *h = heard{} },
	"ipv6-fragments-contained": func(h *heard) { *h = heard{} },
	// We unwrap four levels, which bounds the work for a packet.
	"tunnel-too-deep": func(h *heard) { *h = heard{} },
	// The flag that must be set (RFC 7348 §5) is not; tshark does not look.
	"vxlan": func(h *heard) {
		h.unsaid(2, 1)
		h.unasked(2)
		h.Names = strings.TrimSuffix(h.Names, ",four.example.org")
	},

	// tshark has to be told that labels stand before Ethernet, and does not know
	// these types.
	"pseudowire":     twoHeard,
	"vlan-qinq-9200": twoHeard,

	// The first segment's first two octets are no length; tshark believes them
	// and waits for more than 20,000 octets. We take a segment for the beginning
	// of a message only where a header of DNS follows the length.
	"tcp-starts-inside": func(h *heard) {
		h.Messages, h.Queries = 3, 3
		h.Times = slices.Insert(h.Times, 0, "1475762100.124456789", "1475762100.125456789")
		h.IDs = slices.Insert(h.IDs, 0, "0x0002", "0x0003")
		h.Flags = slices.Insert(h.Flags, 0, "0x0100", "0x0100")
		h.Types = slices.Insert(h.Types, 0, "1", "1")
		h.Classes = slices.Insert(h.Classes, 0, "0x0001", "0x0001")
		h.Names = "two.example.org,three.example.org," + h.Names
	},

	// What is behind a hole that the receiver does not have tshark leaves alone.
	"tcp-hole": func(h *heard) { h.twoMore(1, "1475762100.130456789", "1475762100.130456789") },
	// Where the receiver says nothing we know only when the capture ends.
	"tcp-hole-unanswered": func(h *heard) {
		h.Messages, h.Queries = 3, 3
		h.Times, h.IDs = append(h.Times, "1475762100.127456789"), append(h.IDs, "0x0002")
		h.Flags = append(h.Flags, "0x0100")
		h.Types, h.Classes = append(h.Types, "1"), append(h.Classes, "0x0001")
		h.Names += ",two.example.org"
	},
	// It takes numbers far below for those of old segments.
	"tcp-port-reuse-unopened": func(h *heard) { h.twoMore(1, "1475762100.127456789", "1475762100.128456789") },

	// A simple packet block has no time; we give it that of the packet before.
	"pcapng-blocks":      func(h *heard) { h.Times[2] = h.Times[1] },
	"pcapng-simple-snap": func(h *heard) { h.Times[0] = "0.000000000" },
}

// twoHeard are the two queries that those captures hold.
func twoHeard(h *heard) {
	h.Messages, h.Queries = 2, 2
	h.Times = []string{"1475762100.123456789", "1475762100.124456789"}
	h.IDs, h.Flags = []string{"0x0004", "0x0006"}, []string{"0x0100", "0x0100"}
	h.Types, h.Classes, h.Names = []string{"1", "1"}, []string{"0x0001", "0x0001"}, "four.example.org,six.example.org"
}

// twoMore puts the queries for two.example.org and three.example.org in.
func (h *heard) twoMore(at int, times ...string) {
	h.Messages, h.Queries = h.Messages+2, h.Queries+2
	h.Times = slices.Insert(h.Times, at, times...)
	h.IDs = slices.Insert(h.IDs, at, "0x0002", "0x0003")
	h.Flags = slices.Insert(h.Flags, at, "0x0100", "0x0100")
	h.Types, h.Classes = slices.Insert(h.Types, at, "1", "1"), slices.Insert(h.Classes, at, "0x0001", "0x0001")
	h.Names = strings.Replace(h.Names, ",", ",two.example.org,three.example.org,", 1)
}

// unsaid takes n messages out, from that one on, but not their questions.
func (h *heard) unsaid(from, n int) {
	for _, flags := range h.Flags[from : from+n] {
		if flags >= "0x8000" {
			h.Responses--
		} else {
			h.Queries--
		}
	}
	h.Messages -= n
	for _, list := range []*[]string{&h.Times, &h.IDs, &h.Flags} {
		if *list = slices.Delete(*list, from, from+n); len(*list) == 0 {
			*list = nil
		}
	}
}

// unasked takes a question out, but not its name.
func (h *heard) unasked(i int) {
	h.Types, h.Classes = slices.Delete(h.Types, i, i+1), slices.Delete(h.Classes, i, i+1)
}

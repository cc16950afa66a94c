package reduce

import (
	"fmt"
	"net/netip"
	"strconv"

	"ratadns/packet"
	"ratadns/speedy"
)

// Prefix lengths of subnets unless told: what one customer or site has.
const (
	defaultPrefix4 = 24
	defaultPrefix6 = 48
)

// subnetOf is the network of a, where that is an address.
func subnetOf(a netip.Addr, bits4, bits6 int) (netip.Prefix, bool) {
	if a.Is4() {
		bits6 = bits4
	}
	p, err := a.Prefix(bits6)
	return p, err == nil && p.IsValid()
}

// subnetField is the name of client_subnet with those prefix lengths.
func (p *Params) subnetField() string {
	if p.Prefix4 == nil && p.Prefix6 == nil {
		return "client_subnet"
	}
	bits4, bits6 := defaultPrefix4, defaultPrefix6
	if p.Prefix4 != nil {
		bits4 = *p.Prefix4
	}
	if p.Prefix6 != nil {
		bits6 = *p.Prefix6
	}
	return fmt.Sprintf("client_subnet(%d,%d)", bits4, bits6)
}

func (e *Event) clientPort() (uint32, bool) {
	if e.FromServer {
		return uint32(e.DestPort), e.Has&speedy.FieldPorts != 0
	}
	return uint32(e.SourcePort), e.Has&speedy.FieldPorts != 0
}

func host(a netip.Addr) (netip.Prefix, bool) { return netip.PrefixFrom(a, a.BitLen()), a.IsValid() }

// Directions of a message at its server.
const (
	sent = iota
	received
	elsewhere
)

// direction is by the server's own addresses, where they are known, and else by
// which side the server's is.
func (e *Event) direction() uint32 {
	switch {
	case e.own == nil && e.FromServer:
		return sent
	case e.own == nil:
		return received
	case e.own(e.Source):
		return sent
	case e.own(e.Dest):
		return received
	}
	return elsewhere
}

// flowFields are those of what carried the message, and between whom.
var flowFields = []Field{
	{Name: "transport", Doc: "what carried the message", Kind: Choice, small: true, zeros: true, words: packet.Transports[:], number: func(e *Event) (uint32, bool) {
		return uint32(e.Transport), e.Transport != 0
	}},
	{Name: "ip_version", Doc: "version of IP", Kind: Choice, small: true, words: []string{"IPv4", "IPv6"}, zeros: true, number: func(e *Event) (uint32, bool) {
		return bit(!e.Source.Is4()), e.Source.IsValid()
	}},
	{
		Name: "direction", Doc: "sent or received by the server, else neither", Kind: Choice, small: true, zeros: true,
		words:  []string{"sent", "recv", "else"},
		number: func(e *Event) (uint32, bool) { return e.direction(), true },
	},
	{Name: "client", Doc: "address on the client's side", Kind: Address, addr: func(e *Event) (netip.Prefix, bool) { return host(e.Client()) }},
	{Name: "server", Doc: "address on the server's side", Kind: Address, addr: func(e *Event) (netip.Prefix, bool) { return host(e.Server()) }},
	{Name: "client_subnet", Doc: "network of the client: /24, /48", Kind: Subnet, addr: func(e *Event) (netip.Prefix, bool) {
		return subnetOf(e.Client(), defaultPrefix4, defaultPrefix6)
	}},
	{
		Name: "client_subnet(n4,n6)", Doc: "the same with prefixes of those lengths", Kind: Subnet,
		with: func(f *Field, args []string) bool {
			if len(args) != 2 {
				return false
			}
			bits4, err4 := strconv.Atoi(args[0])
			bits6, err6 := strconv.Atoi(args[1])
			f.addr = func(e *Event) (netip.Prefix, bool) { return subnetOf(e.Client(), bits4, bits6) }
			return err4 == nil && err6 == nil && bits4 >= 0 && bits4 <= 32 && bits6 >= 0 && bits6 <= 128
		},
	},
	{Name: "client_port", Doc: "port on the client's side", Kind: Number, small: true, number: (*Event).clientPort},
	{Name: "client_port_range", Doc: "the same in ranges of 1024", Kind: Number, small: true, bin: 1024, zeros: true, number: (*Event).clientPort},
	{Name: "server_port", Doc: "port on the server's side", Kind: Number, small: true, number: func(e *Event) (uint32, bool) {
		if e.FromServer {
			return uint32(e.SourcePort), e.Has&speedy.FieldPorts != 0
		}
		return uint32(e.DestPort), e.Has&speedy.FieldPorts != 0
	}},
}

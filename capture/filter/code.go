package filter

import (
	"fmt"
	"slices"

	"golang.org/x/net/bpf"

	"ratadns/capture"
)

// A node is a condition.
type node struct {
	kind        nodeKind
	left, right *node
	// A test loads a number and compares it.
	load  []loader
	cond  bpf.JumpTest
	value uint32
	x     bool // with X instead of value
}

type loader = bpf.Instruction

type nodeKind int

const (
	test nodeKind = iota
	conjunction
	disjunction
	negation
	never
	always
)

// and and or take nil as what changes nothing.
func and(l, r *node) *node { return join(conjunction, l, r) }
func or(l, r *node) *node  { return join(disjunction, l, r) }

func join(kind nodeKind, l, r *node) *node {
	switch {
	case l == nil:
		return r
	case r == nil:
		return l
	}
	return &node{kind: kind, left: l, right: r}
}

func equal(load []loader, v uint32) *node {
	return &node{kind: test, load: load, cond: bpf.JumpEqual, value: v}
}

func atLeast(load []loader, v uint32) *node {
	return &node{kind: test, load: load, cond: bpf.JumpGreaterOrEqual, value: v}
}

func atMost(load []loader, v uint32) *node {
	return &node{kind: test, load: load, cond: bpf.JumpLessOrEqual, value: v}
}

func masked(load []loader, mask, v uint32) *node {
	if mask != ^uint32(0) {
		load = append(load, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask})
	}
	return equal(load, v)
}

// direct joins what is said of the source and of the destination.
func direct(dir string, src, dst *node) *node {
	switch dir {
	case "src":
		return src
	case "dst":
		return dst
	case "and":
		return and(src, dst)
	}
	return or(src, dst)
}

var length = []loader{bpf.LoadExtension{Num: bpf.ExtLen}}

// sameMAC compares a hardware address.
func sameMAC(at uint32, mac []byte) *node {
	var n *node
	for i := range uint32(3) {
		v := uint32(mac[2*i])<<8 | uint32(mac[2*i+1])
		n = and(n, equal([]loader{bpf.LoadAbsolute{Off: at + 2*i, Size: 2}}, v))
	}
	return n
}

// Values of the EtherType field and of IP's protocol field.
const (
	typeIP, typeARP, typeRARP, typeIP6 = 0x0800, 0x0806, 0x8035, 0x86dd

	numberTCP, numberUDP, numberICMP6, numberSCTP = 6, 17, 58, 132
	numberFragment                                = 44
)

var (
	ethertypes = map[string]uint32{"ip": typeIP, "arp": typeARP, "rarp": typeRARP, "ip6": typeIP6}
	numbers    = map[string]uint32{"icmp": 1, "igmp": 2, "tcp": numberTCP, "udp": numberUDP, "icmp6": numberICMP6, "sctp": numberSCTP}
)

// frames say where things are in packets of a link type.
type frames struct {
	ethernet bool
	raw      bool   // no type: the version of IP tells
	fixed    uint32 // the only type there is, of raw packets
	typeAt   uint32
	network0 uint32 // where IP begins
}

func newFrames(link capture.LinkType) (frames, error) {
	switch link {
	case capture.LinkEthernet:
		return frames{ethernet: true, typeAt: 12, network0: 14}, nil
	case capture.LinkSLL:
		return frames{typeAt: 14, network0: 16}, nil
	case capture.LinkSLL2:
		return frames{typeAt: 0, network0: 20}, nil
	case capture.LinkRaw, capture.LinkRaw12, capture.LinkRaw14:
		return frames{raw: true}, nil
	case capture.LinkIPv4:
		return frames{raw: true, fixed: typeIP}, nil
	case capture.LinkIPv6:
		return frames{raw: true, fixed: typeIP6}, nil
	}
	name := ""
	if link == capture.LinkNull || link == capture.LinkLoop {
		name = " (BSD loopback)"
	}
	return frames{}, fmt.Errorf("packets have link type %d%s, which no filter is made for; there are Ethernet (1), raw IP (101, 228, 229) and Linux cooked (113, 276)", link, name)
}

// ethertype tests which protocol a packet is of.
func (f *frames) ethertype(v uint32) *node {
	switch {
	case !f.raw:
		return equal([]loader{bpf.LoadAbsolute{Off: f.typeAt, Size: 2}}, v)
	case f.fixed == v:
		return &node{kind: always}
	case f.fixed == 0 && v == typeIP:
		return masked([]loader{bpf.LoadAbsolute{Off: 0, Size: 1}}, 0xf0, 0x40)
	case f.fixed == 0 && v == typeIP6:
		return masked([]loader{bpf.LoadAbsolute{Off: 0, Size: 1}}, 0xf0, 0x60)
	}
	return &node{kind: never}
}

// at loads from the header of IP or ARP.
func (f *frames) at(off int, size int) []loader {
	return []loader{bpf.LoadAbsolute{Off: f.network0 + uint32(off), Size: size}}
}

// shift brings the length of IPv4's header into X.
func (f *frames) shift() []loader { return []loader{bpf.LoadMemShift{Off: f.network0}} }

// behindIP loads from what IPv4 carries.
func (f *frames) behindIP(off uint32, size int) []loader {
	return append(f.shift(), bpf.LoadIndirect{Off: f.network0 + off, Size: size})
}

// unfragmented is false for all fragments but the first.
func (f *frames) unfragmented() *node {
	return &node{kind: test, load: f.at(6, 2), cond: bpf.JumpBitsNotSet, value: 0x1fff}
}

func (f *frames) proto4(n uint32) *node { return and(f.ethertype(typeIP), equal(f.at(9, 1), n)) }

// proto6 looks behind the header of a fragment, and no other extension.
func (f *frames) proto6(n uint32) *node {
	behind := and(equal(f.at(6, 1), numberFragment), equal(f.at(40, 1), n))
	return and(f.ethertype(typeIP6), or(equal(f.at(6, 1), n), behind))
}

// vlanPrimitive tests for a tag, any or that one. What follows in the
// expression is behind the tag, whether and, or or not stands between.
func (p *parser) vlanPrimitive() *node {
	if !p.ethernet {
		p.i--
		return p.fail("needs Ethernet")
	}
	var n *node
	for _, tpid := range []uint32{0x8100, 0x88a8, 0x9100} {
		n = or(n, p.ethertype(tpid))
	}
	if t := p.peek(); t.word && !keywords[t.text] {
		id, ok := p.number(4095)
		if !ok {
			return nil
		}
		n = and(n, masked(p.at(0, 2), 0xfff, id))
	}
	p.typeAt += 4
	p.network0 += 4
	return n
}

// assemble makes a program. It is written from its end: jumps go forward only,
// so their targets are there already. A place is the number of instructions
// from it to the end.
func assemble(n *node) (Program, error) {
	a := &assembler{}
	no := a.add(bpf.RetConstant{Val: 0})
	yes := a.add(bpf.RetConstant{Val: capture.MaxSnap})
	a.jump(a.node(n, yes, no))
	slices.Reverse(a.code)
	raw, err := bpf.Assemble(a.code)
	if err != nil {
		return nil, err
	}
	p := Program(raw)
	return p, p.check()
}

type assembler struct{ code []bpf.Instruction }

func (a *assembler) add(in bpf.Instruction) (place int) {
	a.code = append(a.code, in)
	return len(a.code)
}

// jump goes on at a place, without a jump if that is the next.
func (a *assembler) jump(to int) int {
	if to == len(a.code) {
		return to
	}
	return a.add(bpf.Jump{Skip: uint32(len(a.code) - to)})
}

// near returns a place that a conditional jump reaches, 255 instructions away
// with another jump before it, and leads to that place.
func (a *assembler) near(to int) int {
	if len(a.code)-to < 250 {
		return to
	}
	return a.jump(to)
}

// node writes the code of a condition that goes on at yes or no, and returns
// where it begins.
func (a *assembler) node(n *node, yes, no int) int {
	switch n.kind {
	case conjunction:
		return a.node(n.left, a.node(n.right, yes, no), no)
	case disjunction:
		return a.node(n.left, yes, a.node(n.right, yes, no))
	case negation:
		return a.node(n.left, no, yes)
	case never:
		return no
	case always:
		return yes
	}
	yes, no = a.near(yes), a.near(no)
	t, f := uint8(len(a.code)-yes), uint8(len(a.code)-no)
	if n.x {
		a.add(bpf.JumpIfX{Cond: n.cond, SkipTrue: t, SkipFalse: f})
	} else {
		a.add(bpf.JumpIf{Cond: n.cond, Val: n.value, SkipTrue: t, SkipFalse: f})
	}
	for _, in := range slices.Backward(n.load) {
		a.add(in)
	}
	return len(a.code)
}

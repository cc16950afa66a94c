package filter

import "golang.org/x/net/bpf"

// An arith is a number that is computed from a packet.
type arith struct {
	op          bpf.ALUOp // of left and right
	kind        arithKind
	value       uint32
	left, right *arith
	// What octets reads is at off and the index, behind what base brings into X.
	base func() []loader
	off  uint32
	size int
}

type arithKind int

const (
	constant arithKind = iota
	wireLength
	octets // left is the index
	binary2
	negative
)

// tryRelation reads a comparison of numbers, or takes nothing.
func (p *parser) tryRelation() *node {
	begin := p.i
	if n := p.relation(); n != nil {
		p.last = nil
		return n
	}
	p.i = begin
	return nil
}

func (p *parser) relation() *node {
	var needs *node
	left := p.arith(0, &needs)
	if left == nil {
		return nil
	}
	op, ok := p.take(">", "<", ">=", "<=", "=", "==", "!=")
	if !ok {
		return p.fail("stands where a comparison is missing")
	}
	right := p.arith(0, &needs)
	if right == nil {
		return nil
	}
	cond := map[string]bpf.JumpTest{
		">": bpf.JumpGreaterThan, "<": bpf.JumpLessThan, ">=": bpf.JumpGreaterOrEqual, "<=": bpf.JumpLessOrEqual,
		"=": bpf.JumpEqual, "==": bpf.JumpEqual, "!=": bpf.JumpNotEqual,
	}[op]
	n := &node{kind: test, cond: cond}
	if right.kind == constant {
		n.load, n.value = left.code(0), right.value
	} else {
		n.load, n.x = both(left, right, 0), true
	}
	if !fits(n.load) {
		return p.fail("ends what is too deeply nested")
	}
	return and(needs, n)
}

// operators by how tightly they bind. tcpdump has % and ^ too, without saying
// how tightly.
var operators = [][]string{{"|"}, {"&"}, {"<<", ">>"}, {"+", "-"}, {"*", "/"}}

var aluOps = map[string]bpf.ALUOp{
	"|": bpf.ALUOpOr, "&": bpf.ALUOpAnd, "<<": bpf.ALUOpShiftLeft, ">>": bpf.ALUOpShiftRight,
	"+": bpf.ALUOpAdd, "-": bpf.ALUOpSub, "*": bpf.ALUOpMul, "/": bpf.ALUOpDiv,
}

// arith reads a number; needs collects the protocols that must be there.
func (p *parser) arith(level int, needs **node) *arith {
	if level == len(operators) {
		return p.operand(needs)
	}
	left := p.arith(level+1, needs)
	for left != nil {
		op, ok := p.take(operators[level]...)
		if !ok {
			break
		}
		right := p.arith(level+1, needs)
		if right == nil {
			return nil
		}
		if shift := op == "<<" || op == ">>"; right.kind == constant && (op == "/" && right.value == 0 || shift && right.value > 31) ||
			shift && right.kind != constant {
			p.fail("follows an operation that means nothing")
			return nil
		}
		left = &arith{kind: binary2, op: aluOps[op], left: left, right: right}
	}
	return left
}

// values are names of offsets and of what is found there.
var values = map[string]uint32{
	"tcpflags": 13, "tcp-fin": 1, "tcp-syn": 2, "tcp-rst": 4, "tcp-push": 8, "tcp-ack": 16, "tcp-urg": 32,
	"icmptype": 0, "icmpcode": 1, "icmp6type": 0, "icmp6code": 1,
	"icmp-echoreply": 0, "icmp-unreach": 3, "icmp-echo": 8, "icmp-timxceed": 11,
}

func (p *parser) operand(needs **node) *arith {
	if _, ok := p.take("("); ok {
		a := p.arith(0, needs)
		if a == nil {
			return nil
		}
		if _, ok := p.take(")"); !ok {
			p.fail("stands where a ) is missing")
			return nil
		}
		return a
	}
	if _, ok := p.take("-"); ok {
		if a := p.operand(needs); a != nil {
			return &arith{kind: negative, left: a}
		}
		return nil
	}
	if _, ok := p.take("len"); ok {
		return &arith{kind: wireLength}
	}
	t := p.peek()
	if v, ok := values[t.text]; ok && !t.escaped {
		p.i++
		return &arith{value: v}
	}
	if v, ok := parseNumber(t.text); ok && t.word && !t.escaped {
		p.i++
		return &arith{value: uint32(v)}
	}
	if proto, ok := p.take(protocols...); ok {
		return p.octets(proto, needs)
	}
	p.fail("is not understood here")
	return nil
}

// maxIndex is more than any packet has.
const maxIndex = 1 << 20

// octets reads proto[index] or proto[index:size].
func (p *parser) octets(proto string, needs **node) *arith {
	if _, ok := p.take("["); !ok {
		p.fail("stands where a [ is missing")
		return nil
	}
	index := p.arith(0, needs)
	if index == nil {
		return nil
	}
	a := &arith{kind: octets, left: index, size: 1}
	if _, ok := p.take(":"); ok {
		size, ok := p.number(4)
		if !ok {
			return nil
		}
		if a.size = int(size); size == 0 || size == 3 {
			p.fail("follows a size that is not 1, 2 or 4")
			return nil
		}
	}
	if _, ok := p.take("]"); !ok {
		p.fail("stands where a ] is missing")
		return nil
	}
	if index.kind == constant && index.value > maxIndex {
		p.fail("follows an index that no packet has")
		return nil
	}
	switch proto {
	case "ether", "link":
	case "ip", "ip6", "arp", "rarp":
		*needs = and(*needs, p.ethertype(ethertypes[proto]))
		a.off = p.network0
	case "icmp6":
		*needs = and(*needs, and(p.ethertype(typeIP6), equal(p.at(6, 1), numberICMP6)))
		a.off = p.network0 + 40
	default: // of IPv4 only, for tcpdump too
		*needs = and(*needs, and(p.proto4(numbers[proto]), p.unfragmented()))
		a.off = p.network0
		a.base = p.shift
	}
	return a
}

// code brings a number into A. Scratch memory from m on is free.
func (a *arith) code(m int) []loader {
	switch a.kind {
	case constant:
		return []loader{bpf.LoadConstant{Dst: bpf.RegA, Val: a.value}}
	case wireLength:
		return length
	case negative:
		return append(a.left.code(m), bpf.NegateA{})
	case binary2:
		if a.right.kind == constant {
			return append(a.left.code(m), bpf.ALUOpConstant{Op: a.op, Val: a.right.value})
		}
		return append(both(a.left, a.right, m), bpf.ALUOpX{Op: a.op})
	}
	switch { // octets
	case a.left.kind == constant && a.base == nil:
		return []loader{bpf.LoadAbsolute{Off: a.off + a.left.value, Size: a.size}}
	case a.left.kind == constant:
		return append(a.base(), bpf.LoadIndirect{Off: a.off + a.left.value, Size: a.size})
	case a.base == nil:
		return append(a.left.code(m), bpf.TAX{}, bpf.LoadIndirect{Off: a.off, Size: a.size})
	}
	code := append(a.left.code(m), bpf.StoreScratch{Src: bpf.RegA, N: m})
	code = append(code, a.base()...)
	return append(code, bpf.LoadScratch{Dst: bpf.RegA, N: m}, bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.TAX{},
		bpf.LoadIndirect{Off: a.off, Size: a.size})
}

// both brings left into A and right into X.
func both(left, right *arith, m int) []loader {
	code := append(left.code(m), bpf.StoreScratch{Src: bpf.RegA, N: m})
	code = append(code, right.code(m+1)...)
	return append(code, bpf.TAX{}, bpf.LoadScratch{Dst: bpf.RegA, N: m})
}

// fits reports whether the scratch memory, 16 numbers, was enough.
func fits(code []loader) bool {
	for _, in := range code {
		if s, ok := in.(bpf.StoreScratch); ok && s.N > 15 {
			return false
		}
	}
	return true
}

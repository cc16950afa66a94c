package filter

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/net/bpf"
)

// A Program is checked: it ends, and jumps and memory stay inside it.
type Program []bpf.RawInstruction

// maxProgram is the kernel's limit, BPF_MAXINSNS.
const maxProgram = 4096

// isProgram tells the output of tcpdump -ddd, in lines or with commas, from an
// expression, which may begin with a number too.
func isProgram(text string) bool {
	digits := strings.TrimLeft(strings.TrimSpace(text), "0123456789")
	rest := strings.TrimLeft(digits, " \t\r")
	return len(digits) < len(strings.TrimSpace(text)) && rest != "" && (rest[0] == '\n' || rest[0] == ',')
}

// parseProgram reads the number of instructions and the instructions, four
// numbers each.
func parseProgram(text string) (Program, error) {
	lines := strings.FieldsFunc(text, func(c rune) bool { return c == '\n' || c == ',' })
	first := strings.TrimSpace(lines[0])
	count, err := strconv.Atoi(first)
	lines = lines[1:]
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	if err != nil || count != len(lines) {
		return nil, fmt.Errorf("a program of %s instructions has %d", first, len(lines))
	}
	var p Program
	for i, line := range lines {
		var n [4]uint64
		fields := strings.Fields(line)
		ok := len(fields) == len(n)
		for k, bits := range []int{16, 8, 8, 32} {
			if ok {
				n[k], err = strconv.ParseUint(fields[k], 10, bits)
				ok = err == nil
			}
		}
		if !ok {
			return nil, fmt.Errorf("instruction %d, %q, is not four numbers: give what tcpdump -ddd prints", i, line)
		}
		p = append(p, bpf.RawInstruction{Op: uint16(n[0]), Jt: uint8(n[1]), Jf: uint8(n[2]), K: uint32(n[3])})
	}
	return p, p.check()
}

// extensions is where the kernel's own data begin instead of a packet's
// octets, SKF_AD_OFF: no capture has them.
const extensions = 0xfffff000

// check holds everything that Match relies on.
func (p Program) check() error {
	if len(p) > maxProgram {
		return fmt.Errorf("%d instructions; the kernel takes %d", len(p), maxProgram)
	}
	var all []bpf.Instruction
	for i, raw := range p {
		in := raw.Disassemble()
		if _, ext := in.(bpf.LoadExtension); ext && raw.K >= extensions {
			return fmt.Errorf("instruction %d asks the kernel and not the packet: make the program with tcpdump -y EN10MB -ddd", i)
		}
		// What is unknown stays raw; what x/net reads too kindly comes back as
		// something else.
		if again, err := in.Assemble(); err != nil || again.Op != raw.Op {
			return fmt.Errorf("instruction %d, code %d, is unknown", i, raw.Op)
		}
		if _, bad := in.(bpf.RawInstruction); bad {
			return fmt.Errorf("instruction %d, code %d, is unknown", i, raw.Op)
		}
		all = append(all, in)
	}
	_, err := bpf.NewVM(all) // checks jumps, divisors and the end
	return err
}

// Instructions, by code: linux/bpf_common.h.
const (
	ldImm, ldAbsW, ldAbsH, ldAbsB = 0x00, 0x20, 0x28, 0x30
	ldIndW, ldIndH, ldIndB        = 0x40, 0x48, 0x50
	ldMem, ldLen                  = 0x60, 0x80
	ldxImm, ldxMem, ldxShift      = 0x01, 0x61, 0xb1
	st, stx                       = 0x02, 0x03
	alu, aluX                     = 0x04, 0x08 // the latter or'ed with any of both
	ja, jeq, jgt, jge, jset       = 0x05, 0x15, 0x25, 0x35, 0x45
	retK, retA                    = 0x06, 0x16
	tax, txa                      = 0x07, 0x87
)

// Match runs the program over a packet of that length on the wire. The VM of
// x/net takes len for the length of what was captured.
func (p Program) Match(data []byte, wire int) bool {
	var a, x uint32
	var mem [16]uint32
	for pc := 0; pc < len(p); pc++ {
		in := &p[pc]
		k, value := in.K, in.K
		if in.Op&aluX != 0 {
			value = x
		}
		ok := true
		switch in.Op {
		case ldAbsW:
			a, ok = load(data, uint64(k), 4)
		case ldAbsH:
			a, ok = load(data, uint64(k), 2)
		case ldAbsB:
			a, ok = load(data, uint64(k), 1)
		case ldIndW:
			a, ok = load(data, uint64(x)+uint64(k), 4)
		case ldIndH:
			a, ok = load(data, uint64(x)+uint64(k), 2)
		case ldIndB:
			a, ok = load(data, uint64(x)+uint64(k), 1)
		case ldxShift:
			x, ok = load(data, uint64(k), 1)
			x = x & 0xf * 4
		case ldImm:
			a = k
		case ldxImm:
			x = k
		case ldMem:
			a = mem[k]
		case ldxMem:
			x = mem[k]
		case ldLen:
			a = uint32(wire)
		case st:
			mem[k] = a
		case stx:
			mem[k] = x
		case tax:
			x = a
		case txa:
			a = x
		case ja:
			pc += int(k)
		case jeq, jeq | aluX:
			pc += skip(in, a == value)
		case jgt, jgt | aluX:
			pc += skip(in, a > value)
		case jge, jge | aluX:
			pc += skip(in, a >= value)
		case jset, jset | aluX:
			pc += skip(in, a&value != 0)
		case retK:
			return k != 0
		case retA:
			return a != 0
		default:
			a, ok = compute(in.Op, a, value)
		}
		if !ok {
			return false
		}
	}
	return false
}

// load reads a number in network byte order. Without all of it the packet is
// not selected.
func load(data []byte, at uint64, size uint64) (uint32, bool) {
	if at+size > uint64(len(data)) {
		return 0, false
	}
	switch size {
	case 4:
		return binary.BigEndian.Uint32(data[at:]), true
	case 2:
		return uint32(binary.BigEndian.Uint16(data[at:])), true
	}
	return uint32(data[at]), true
}

// compute does arithmetic. Nothing is divided by zero.
func compute(op uint16, a, value uint32) (uint32, bool) {
	switch op &^ aluX {
	case alu:
		return a + value, true
	case alu | 0x10:
		return a - value, true
	case alu | 0x20:
		return a * value, true
	case alu | 0x30:
		if value == 0 {
			return 0, false
		}
		return a / value, true
	case alu | 0x40:
		return a | value, true
	case alu | 0x50:
		return a & value, true
	case alu | 0x60:
		return a << value, true
	case alu | 0x70:
		return a >> value, true
	case alu | 0x80:
		return -a, true
	case alu | 0x90:
		if value == 0 {
			return 0, false
		}
		return a % value, true
	case alu | 0xa0:
		return a ^ value, true
	}
	return 0, false
}

func skip(in *bpf.RawInstruction, yes bool) int {
	if yes {
		return int(in.Jt)
	}
	return int(in.Jf)
}

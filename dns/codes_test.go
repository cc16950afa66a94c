package dns

import (
	"strings"
	"testing"

	judge "github.com/miekg/dns"
)

func TestNames(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{TypeName(1), "A"}, {TypeName(28), "AAAA"}, {TypeName(23), "NSAP-PTR"}, {TypeName(41), "OPT"},
		{TypeName(65), "HTTPS"}, {TypeName(251), "IXFR"}, {TypeName(252), "AXFR"}, {TypeName(255), "ANY"},
		{TypeName(257), "CAA"}, {TypeName(32768), "TA"}, {TypeName(32769), "DLV"},
		{TypeName(0), "TYPE0"}, {TypeName(54), "TYPE54"}, {TypeName(511), "TYPE511"}, {TypeName(65400), "TYPE65400"},
		{ClassName(1), "IN"}, {ClassName(3), "CH"}, {ClassName(4), "HS"}, {ClassName(254), "NONE"},
		{ClassName(255), "ANY"}, {ClassName(7), "CLASS7"}, {ClassName(1000), "CLASS1000"},
		{RcodeName(0), "NOERROR"}, {RcodeName(3), "NXDOMAIN"}, {RcodeName(16), "BADVERS"},
		{RcodeName(23), "BADCOOKIE"}, {RcodeName(77), "RCODE77"}, {RcodeName(15), "RCODE15"},
		{OpcodeName(0), "QUERY"}, {OpcodeName(5), "UPDATE"}, {OpcodeName(3), "OPCODE3"}, {OpcodeName(9), "OPCODE9"},
		{OptionName(8), "edns-client-subnet"}, {OptionName(15), "Extended DNS Error"},
		{OptionName(4), "OPTION4"}, {OptionName(65001), "OPTION65001"}, {OptionName(26946), "DeviceID"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}

func TestByName(t *testing.T) {
	for _, c := range []struct {
		lookUp func(string) (uint16, bool)
		name   string
		want   int // -1: none
	}{
		{TypeByName, "aaaa", 28}, {TypeByName, "Any", 255}, {TypeByName, "*", 255}, {TypeByName, "nsap-ptr", 23},
		{TypeByName, "TYPE65400", 65400}, {TypeByName, "type1", 1}, {TypeByName, "TYPE65535", 65535},
		{TypeByName, "TYPE65536", -1}, {TypeByName, "TYPE99999", -1}, {TypeByName, "TYPE000001", -1},
		{TypeByName, "TYPE", -1}, {TypeByName, "TYPE-1", -1}, {TypeByName, "TYPE1x", -1}, {TypeByName, "", -1},
		{TypeByName, "CLASS1", -1}, {TypeByName, "NOPE", -1}, {TypeByName, strings.Repeat("a", 300), -1},
		{ClassByName, "ch", 3}, {ClassByName, "*", 255}, {ClassByName, "class7", 7}, {ClassByName, "CS", -1},
		{RcodeByName, "nxdomain", 3}, {RcodeByName, "BADSIG", 16}, {RcodeByName, "rcode77", 77},
		{RcodeByName, "RCODE4095", 4095}, {RcodeByName, "RCODE4096", -1},
		{OptionByName, "ecs", 8}, {OptionByName, "EDNS-CLIENT-SUBNET", 8}, {OptionByName, "option65001", 65001},
	} {
		n, ok := c.lookUp(c.name)
		if ok != (c.want >= 0) || ok && int(n) != c.want {
			t.Errorf("%q: got %d, %v; want %d", c.name, n, ok, c.want)
		}
	}
	for name, want := range map[string]int{"notify": 4, "OPCODE9": 9, "OPCODE16": -1, "opcode15": 15} {
		if n, ok := OpcodeByName(name); ok != (want >= 0) || ok && int(n) != want {
			t.Errorf("%q: got %d, %v; want %d", name, n, ok, want)
		}
	}
}

// Every code point is found again by the name it is given.
func TestNamesRoundTrip(t *testing.T) {
	for _, r := range []*registry{types, classes, rcodes, opcodes, options} {
		for n := range r.max + 1 {
			name := r.name(uint16(n))
			if got, ok := r.byName(name); !ok || int(got) != n {
				t.Errorf("%s: got %d, %v; want %d", name, got, ok, n)
			}
			if got := string(r.append(nil, uint16(n))); got != name {
				t.Errorf("append: got %s, want %s", got, name)
			}
			if len(name) > longestName {
				t.Errorf("%s: longer than %d", name, longestName)
			}
		}
	}
}

// The judge has our mnemonics, but for these: names of its own for reserved
// code points, and RCODE 16, which it calls by its name in TSIG.
func TestMnemonicsAgainstJudge(t *testing.T) {
	for n, want := range judge.TypeToString {
		switch n {
		case judge.TypeNone, judge.TypeReserved:
		default:
			if got := TypeName(n); got != want {
				t.Errorf("type %d: got %s, want %s", n, got, want)
			}
		}
	}
	for n, want := range judge.ClassToString {
		if got := ClassName(n); got != want && n != 2 { // CS, never assigned by IANA
			t.Errorf("class %d: got %s, want %s", n, got, want)
		}
	}
	for n, want := range judge.RcodeToString {
		if n == judge.RcodeStatefulTypeNotImplemented {
			want = "DSOTYPENI"
		}
		if got := RcodeName(uint16(n)); got != want && n != 16 {
			t.Errorf("rcode %d: got %s, want %s", n, got, want)
		}
	}
	for n, want := range judge.OpcodeToString {
		if n == judge.OpcodeStateful {
			want = "DSO"
		}
		if got := OpcodeName(uint8(n)); got != want {
			t.Errorf("opcode %d: got %s, want %s", n, got, want)
		}
	}
}

func TestTypeAssigned(t *testing.T) {
	for n, want := range map[uint16]bool{0: false, 1: true, 41: true, 54: false, 252: true, 32769: true, 65280: false, 65535: false} {
		if got := TypeAssigned(n); got != want {
			t.Errorf("%d: got %v", n, got)
		}
	}
}

func TestCodesDoNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		_ = TypeName(28)
		_ = RcodeName(3)
		dst = AppendTypeName(dst[:0], 65400)
		dst = AppendRcodeName(dst[:0], 77)
		TypeByName("aaaa")
		TypeByName("TYPE65400")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

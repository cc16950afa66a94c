package dns

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A builder makes messages, broken ones too, octet by octet.
type builder []byte

// message begins one with its flags and counts.
func message(flags uint16, counts ...uint16) builder {
	b := binary.BigEndian.AppendUint16(builder{0x2e, 0x13}, flags)
	for i := range 4 {
		var n uint16
		if i < len(counts) {
			n = counts[i]
		}
		b = binary.BigEndian.AppendUint16(b, n)
	}
	return b
}

func (b builder) question(name string, qtype, qclass uint16) builder {
	b = append(b, name...)
	b = binary.BigEndian.AppendUint16(b, qtype)
	return binary.BigEndian.AppendUint16(b, qclass)
}

func (b builder) record(name string, typ, class uint16, ttl uint32, rdata string) builder {
	b = b.question(name, typ, class)
	b = binary.BigEndian.AppendUint32(b, ttl)
	b = binary.BigEndian.AppendUint16(b, uint16(len(rdata)))
	return append(b, rdata...)
}

// Names on the wire; www points at example.org in the question.
const (
	exampleOrg = "\x07example\x03org\x00"
	toQuestion = "\xc0\x0c"
	www        = "\x03www\xc0\x0c"
	soaRdata   = "\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00\x05"
)

// response is one with everything in it.
var response = message(0x8580, 1, 2, 1, 2).
	question("\x07eXample\x03org\x00", TypeMX, ClassIN).
	record(toQuestion, TypeMX, ClassIN, 300, "\x00\x0a\x04mail\xc0\x0c").
	record(toQuestion, 65400, 7, 0xffffffff, "").
	record(toQuestion, TypeNS, ClassIN, 3600, "\x02ns\xc0\x0c").
	record("\x04mail\xc0\x0c", TypeA, ClassIN, 60, "\xc0\x00\x02\x01").
	record("\x00", TypeOPT, 1232, 0x01008001, "\x00\x03\x00\x02n1\x00\x0c\x00\x00")

// show is what a message says, in a line per thing.
func show(m *Message) string {
	var s strings.Builder
	fmt.Fprintf(&s, "id %x flags %x counts %d\n", m.ID, m.Flags, m.Counts)
	name := func(off int) string {
		name, _, err := AppendName(nil, m.Wire, off)
		if err != nil {
			return err.Error()
		}
		return string(name)
	}
	for _, q := range m.Questions {
		fmt.Fprintf(&s, "%s %s %s, %d labels, %d octets\n", name(q.NameOff), ClassName(q.Qclass), TypeName(q.Qtype), q.Labels, q.NameLen)
	}
	for _, r := range m.Records {
		fmt.Fprintf(&s, "%d: %s %d %s %s %s\n", r.Section, name(r.NameOff), r.TTL, ClassName(r.Class), TypeName(r.Type),
			AppendRdata(nil, m.Wire, r.Type, r.RdataOff, r.RdataLen))
	}
	if m.EDNS.Present {
		fmt.Fprintf(&s, "edns version %d udp %d do %v rcode %d\n", m.EDNS.Version, m.EDNS.UDP, m.EDNS.DO, m.EDNS.ExtRcode)
		m.Options(func(code uint16, data []byte) bool {
			fmt.Fprintf(&s, "%s %q\n", OptionName(code), data)
			return true
		})
	}
	if m.Malformed != 0 {
		fmt.Fprintf(&s, "%s at %d\n", m.Malformed, m.Offset)
	}
	return s.String()
}

func TestUnpack(t *testing.T) {
	var m Message
	if err := m.Unpack(response); err != nil {
		t.Fatal(err)
	}
	const want = `id 2e13 flags 8580 counts [1 2 1 2]
eXample.org. IN MX, 2 labels, 13 octets
0: eXample.org. 300 IN MX 10 mail.eXample.org.
0: eXample.org. 4294967295 CLASS7 TYPE65400 \# 0
1: eXample.org. 3600 IN NS ns.eXample.org.
2: mail.eXample.org. 60 IN A 192.0.2.1
edns version 0 udp 1232 do true rcode 1
NSID "n1"
Padding ""
`
	if got := show(&m); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if !m.QR() || m.Opcode() != OpcodeQUERY || m.Rcode() != RcodeBADVERS {
		t.Errorf("QR %v, opcode %d, rcode %d", m.QR(), m.Opcode(), m.Rcode())
	}

	// Options stops when told.
	var codes []uint16
	m.Options(func(code uint16, _ []byte) bool { codes = append(codes, code); return false })
	if !slices.Equal(codes, []uint16{OptionNSID}) {
		t.Errorf("options %v", codes)
	}

	// Nothing is left of the message before.
	if err := m.Unpack(message(0x2800)); err != nil {
		t.Fatal(err)
	}
	if got, want := show(&m), "id 2e13 flags 2800 counts [0 0 0 0]\n"; got != want || m.Opcode() != OpcodeUPDATE {
		t.Errorf("got %s, opcode %d", got, m.Opcode())
	}
}

func TestUnpackMalformed(t *testing.T) {
	opt := func(rdata string) builder {
		return message(0, 0, 0, 0, 1).record("\x00", TypeOPT, 512, 0, rdata)
	}
	for _, c := range []struct {
		what   string
		msg    []byte
		reason Reason
		offset int
		read   string // questions, records, options
	}{
		{"nothing", nil, ErrTruncatedRecord, 0, "0 0 0"},
		{"11 octets", message(0, 1)[:11], ErrTruncatedRecord, 0, "0 0 0"},
		{"header only", message(0), 0, 0, "0 0 0"},
		{"no question", message(0, 1), ErrTruncatedQuestion, 12, "0 0 0"},
		{"fewer questions", message(0, 2).question("\x00", 1, 1), ErrTruncatedQuestion, 17, "1 0 0"},
		{"two questions", message(0, 2).question("\x00", 1, 1).question("\x01a\x00", 2, 1), 0, 0, "2 0 0"},
		{"65535 questions", message(0, 65535).question("\x00", 1, 1), ErrTruncatedQuestion, 17, "1 0 0"},
		{"no answer", message(0, 1, 1).question("\x00", 1, 1), ErrTruncatedRecord, 17, "1 0 0"},
		{"pointer at itself", message(0, 1).question("\xc0\x0c", 1, 1), ErrPointer, 12, "0 0 0"},
		{"forward pointer", message(0, 2).question("\xc0\x12", 1, 1).question("\x00", 1, 1), ErrPointer, 12, "0 0 0"},
		{"label type", message(0, 1).question("\x41a\x00", 1, 1), ErrLabelType, 12, "0 0 0"},
		{"long name", message(0, 1).question(strings.Repeat("\x01a", 128)+"\x00", 1, 1), ErrNameTooLong, 12 + 254, "0 0 0"},
		{"pointer in the owner", message(0, 0, 1).record("\xc0\xff", 1, 1, 0, ""), ErrPointer, 12, "0 0 0"},
		{"rdata past the end", message(0, 0, 1).record("\x00", 1, 1, 0, "1234")[:26], ErrTruncatedRdata, 21, "0 0 0"},
		{"octets left over", append(message(0, 1).question("\x00", 1, 1), 0), 0, 0, "1 0 0"},
		{"OPT", opt("\x00\x03\x00\x00\x00\x0a\x00\x01c"), 0, 0, "0 0 2"},
		{"half an option header", opt("\x00\x03\x00\x00\x00\x0a\x00"), ErrOption, 27, "0 0 1"},
		{"option past its record", opt("\x00\x03\x00\x01"), ErrOption, 23, "0 0 0"},
		{"two OPTs", message(0, 0, 0, 0, 2).record("\x00", TypeOPT, 512, 0, "\x00\x03\x00\x00").record("\x00", TypeOPT, 512, 0, ""),
			ErrTwoOpt, 27, "0 0 1"},
		{"OPT among the answers", message(0, 0, 1).record("\x00", TypeOPT, 512, 0, "\x00\x03\x00\x00"), 0, 0, "0 0 1"},
	} {
		var m Message
		err := m.Unpack(c.msg)
		if c.reason == 0 && err != nil || c.reason != 0 && err != c.reason || m.Malformed != c.reason || m.Offset != c.offset {
			t.Errorf("%s: got %v, %v at %d; want %v at %d", c.what, err, m.Malformed, m.Offset, c.reason, c.offset)
		}
		options := 0
		m.Options(func(uint16, []byte) bool { options++; return true })
		if read := fmt.Sprint(len(m.Questions), len(m.Records), options); read != c.read {
			t.Errorf("%s: read %s, want %s", c.what, read, c.read)
		}
	}
}

// A message cut anywhere is malformed, and all before the cut is read.
func TestUnpackTruncated(t *testing.T) {
	var whole, m Message
	if err := whole.Unpack(response); err != nil {
		t.Fatal(err)
	}
	lines := show(&whole)
	for n := range response {
		err := m.Unpack(response[:n:n])
		if err == nil || m.Nodata {
			t.Errorf("%d octets: %v, NODATA %v", n, err, m.Nodata)
			continue
		}
		if m.Offset > n {
			t.Errorf("%d octets: broken at %d", n, m.Offset)
		}
		if n < HeaderLen {
			continue
		}
		got := show(&m)
		got = got[:strings.LastIndex(got[:len(got)-1], "\n")+1] // without the reason
		if !strings.HasPrefix(lines, got) {
			t.Errorf("%d octets: got\n%s", n, got)
		}
		records := 0
		for _, r := range whole.Records {
			if r.RdataOff+r.RdataLen <= n {
				records++
			}
		}
		if len(m.Records) != records {
			t.Errorf("%d octets: %d records, want %d", n, len(m.Records), records)
		}
	}
}

func TestNodata(t *testing.T) {
	const noerror, nxdomain, query, truncated, notify = 0x8400, 0x8403, 0x0100, 0x8600, 0xa400
	a := func(b builder) builder { return b.record(toQuestion, TypeA, ClassIN, 60, "\xc0\x00\x02\x01") }
	cname := func(b builder) builder { return b.record(toQuestion, TypeCNAME, ClassIN, 60, www) }
	soa := func(b builder) builder { return b.record(toQuestion, TypeSOA, ClassIN, 60, soaRdata) }
	ns := func(b builder) builder { return b.record(toQuestion, TypeNS, ClassIN, 60, www) }
	of := func(flags, qtype uint16, an, ns uint16) builder {
		return message(flags, 1, an, ns).question(exampleOrg, qtype, ClassIN)
	}
	ednsRcode := func(b builder, rcode uint32) builder {
		b[11]++
		return b.record("\x00", TypeOPT, 1232, rcode<<24, "")
	}
	for _, c := range []struct {
		what string
		msg  builder
		want bool
	}{
		{"SOA (type 1, 2)", soa(of(noerror, TypeA, 0, 1)), true},
		{"SOA and NS (type 1)", ns(soa(of(noerror, TypeA, 0, 2))), true},
		{"NS and SOA", soa(ns(of(noerror, TypeA, 0, 2))), true},
		{"nothing (type 3)", of(noerror, TypeA, 0, 0), true},
		{"nothing, with EDNS", ednsRcode(of(noerror, TypeA, 0, 0), 0), true},
		{"referral", ns(of(noerror, TypeA, 0, 1)), false},
		{"answer", a(of(noerror, TypeA, 1, 0)), false},
		{"answer to ANY", a(of(noerror, TypeANY, 1, 0)), false},
		{"another type's answer", a(of(noerror, TypeAAAA, 1, 0)), true},
		{"CNAME without its target's data", soa(cname(of(noerror, TypeA, 1, 1))), true},
		{"CNAME with its target's data", a(cname(of(noerror, TypeA, 2, 0))), false},
		{"CNAME and referral", ns(cname(of(noerror, TypeA, 1, 1))), false},
		{"NXDOMAIN", soa(of(nxdomain, TypeA, 0, 1)), false},
		{"BADVERS", ednsRcode(of(noerror, TypeA, 0, 0), 1), false},
		{"query", of(query, TypeA, 0, 0), false},
		{"TC", of(truncated, TypeA, 0, 0), false},
		{"NOTIFY", of(notify, TypeSOA, 0, 0), false},
		{"no question", message(noerror), false},
		{"malformed", soa(of(noerror, TypeA, 0, 2)), false},
	} {
		var m Message
		m.Unpack(c.msg)
		if m.Nodata != c.want {
			t.Errorf("%s: got %v", c.what, m.Nodata)
		}
	}
}

func TestUnpackDoesNotAllocate(t *testing.T) {
	var m Message
	m.Unpack(response)
	broken := response[:len(response)-1]
	name := make([]byte, 0, 4*MaxName)
	if n := testing.AllocsPerRun(100, func() {
		m.Unpack(broken)
		m.Unpack(response)
		m.Options(func(uint16, []byte) bool { return true })
		for i := range m.Records {
			name, _, _ = AppendName(name[:0], m.Wire, m.Records[i].NameOff)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

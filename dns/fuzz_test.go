package dns

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	judge "github.com/miekg/dns"
)

// FuzzUnpack compares with the judge: both decoders accept with equal fields,
// or both reject. Known differences, each pinned where it is compared:
//
//  1. A count that promises more than there is: the judge stops without an
//     error at the end of the message, between questions, records or the fields
//     of a question. To us that is malformed.
//  2. Pointers: the judge follows any, up to 126 of them; ours point backwards,
//     in any number.
//  3. A second OPT record is malformed (RFC 6891 §6.1.1); the judge has several.
//  4. Record data are no part of our Unpack. The judge rejects the message for
//     one it cannot read; those are the ones we write in the form \#, and those
//     in strictJudge. It reads the data of some EDNS options too.
//  5. Names are escaped by other rules; compared as octets.
func FuzzUnpack(f *testing.F) {
	for _, seed := range unpackSeeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Message
		err := m.Unpack(b)
		var j judge.Msg
		jerr := j.Unpack(b)
		if err == nil {
			checkBounds(t, &m)
		}
		switch {
		case err != nil && jerr != nil:
			return
		case err != nil:
			if reason := laxJudge(&m); reason == "" {
				t.Fatalf("%v at %d of %d, the judge accepts\n%s", err, m.Offset, len(b), hex.Dump(b))
			}
			return
		}
		reason, rerr := rejectedByJudge(t, &m)
		if jerr != nil {
			if reason == "" && !manyPointers(b) {
				t.Fatalf("the judge: %v\n%s%s", jerr, show(&m), hex.Dump(b))
			}
			return
		}
		if reason != "" {
			t.Fatalf("the judge accepts the message but not %s: %v", reason, rerr)
		}
		if got, want := skeleton(t, &m), judgeSkeleton(t, &j); got != want {
			t.Fatalf("got\n%swant\n%s%s", got, want, hex.Dump(b))
		}
	})
}

// laxJudge names the known difference by which the judge may accept what is
// malformed to us.
func laxJudge(m *Message) string {
	switch m.Malformed {
	case ErrTruncatedQuestion:
		if left := len(m.Wire) - m.Offset; left == 0 || left == 2 {
			return "count"
		}
	case ErrTruncatedRecord:
		if m.Offset == len(m.Wire) {
			return "count"
		}
	case ErrPointer:
		return "pointer"
	case ErrTwoOpt:
		return "two OPTs"
	}
	return ""
}

// strictJudge tells the data that we write as text and the judge rejects.
func strictJudge(typ uint16, text string) bool {
	switch typ {
	case TypeSVCB, TypeHTTPS:
		// An address of IPv4 among ipv6hint (RFC 9460 §7.3 does not forbid it),
		// and the key reserved as invalid.
		return strings.Contains(text, "ipv6hint=") && strings.Contains(text, "::ffff:") ||
			strings.Contains(text, "key65535")
	case TypeAMTRELAY: // the discovery bit, with a relay (RFC 8777 §4.2.2)
		return strings.Fields(text)[1] == "1"
	}
	return false
}

// rejectedByJudge names the first record, or the OPT record, whose data the
// judge rejects, and fails if we wrote them as text.
func rejectedByJudge(t *testing.T, m *Message) (what string, err error) {
	for _, r := range m.Records {
		if _, _, err := judge.UnpackRR(m.Wire, r.NameOff); err != nil {
			text := string(AppendRdata(nil, m.Wire, r.Type, r.RdataOff, r.RdataLen))
			if !strings.HasPrefix(text, `\# `) && !strictJudge(r.Type, text) && !manyPointers(m.Wire) {
				t.Fatalf("%s %s, the judge: %v", TypeName(r.Type), text, err)
			}
			return TypeName(r.Type), err
		}
	}
	if m.EDNS.Present {
		h := judge.RR_Header{Rrtype: TypeOPT, Rdlength: uint16(m.EDNS.Len)}
		if _, _, err := judge.UnpackRRWithHeader(h, m.Wire[:m.EDNS.Off+m.EDNS.Len], m.EDNS.Off); err != nil {
			return "OPT", err
		}
	}
	return "", nil
}

// manyPointers reports whether there may be a chain of over 126 pointers.
func manyPointers(b []byte) bool {
	n := 0
	for _, c := range b {
		if c >= 0xc0 {
			n++
		}
	}
	return n > 126
}

// checkBounds: offsets that Unpack gives out may be used without a look.
func checkBounds(t *testing.T, m *Message) {
	for _, r := range m.Records {
		if r.RdataOff < 0 || r.RdataOff+r.RdataLen > len(m.Wire) {
			t.Fatalf("data [%d, %d) of %d", r.RdataOff, r.RdataOff+r.RdataLen, len(m.Wire))
		}
	}
	for _, q := range m.Questions {
		name, _, err := AppendName(nil, m.Wire, q.NameOff)
		labels, wire := presentationSize(string(name))
		if err != nil || labels != q.Labels || wire != q.NameLen {
			t.Fatalf("%s: %v, %d labels, %d octets", name, err, q.Labels, q.NameLen)
		}
	}
}

// skeleton is what both decoders must agree on.
func skeleton(t *testing.T, m *Message) string {
	s := fmt.Sprintf("%x %x\n", m.ID, m.Flags)
	name := func(off int) string {
		name, _, err := AppendName(nil, m.Wire, off)
		if err != nil {
			t.Fatal(err)
		}
		return string(name)
	}
	for _, q := range m.Questions {
		s += fmt.Sprintln(name(q.NameOff), q.Qtype, q.Qclass)
	}
	for _, r := range m.Records {
		s += fmt.Sprintln(r.Section, name(r.NameOff), r.Type, r.Class, r.TTL, r.RdataLen)
	}
	if m.EDNS.Present {
		s += fmt.Sprintln("edns", m.EDNS.Version, m.EDNS.UDP, m.EDNS.DO, m.EDNS.ExtRcode)
		m.Options(func(code uint16, _ []byte) bool { s += fmt.Sprintln("option", code); return true })
	}
	return s + fmt.Sprintln("rcode", m.Rcode())
}

func judgeSkeleton(t *testing.T, j *judge.Msg) string {
	flags := uint16(j.Opcode)<<11 | uint16(j.Rcode&15)
	for bit, set := range map[uint16]bool{
		0x8000: j.Response, 0x0400: j.Authoritative, 0x0200: j.Truncated, 0x0100: j.RecursionDesired,
		0x0080: j.RecursionAvailable, 0x0040: j.Zero, 0x0020: j.AuthenticatedData, 0x0010: j.CheckingDisabled,
	} {
		if set {
			flags |= bit
		}
	}
	s := fmt.Sprintf("%x %x\n", j.Id, flags)
	for _, q := range j.Question {
		s += fmt.Sprintln(ourName(t, q.Name), q.Qtype, q.Qclass)
	}
	var opt *judge.OPT
	for section, rrs := range [][]judge.RR{j.Answer, j.Ns, j.Extra} {
		for _, rr := range rrs {
			if o, ok := rr.(*judge.OPT); ok {
				opt = o
				continue
			}
			h := rr.Header()
			s += fmt.Sprintln(section, ourName(t, h.Name), h.Rrtype, h.Class, h.Ttl, h.Rdlength)
		}
	}
	rcode := j.Rcode
	if opt != nil {
		// The judge looks for it among the additional records only.
		rcode = j.Rcode&15 | opt.ExtendedRcode()
		s += fmt.Sprintln("edns", opt.Version(), opt.UDPSize(), opt.Do(), opt.ExtendedRcode()>>4)
		for _, o := range opt.Option {
			s += fmt.Sprintln("option", o.Option())
		}
	}
	return s + fmt.Sprintln("rcode", rcode)
}

// ourName writes the judge's name by our rules.
func ourName(t *testing.T, name string) string {
	b := make([]byte, MaxName)
	n, err := judge.PackDomainName(name, b, 0, nil, false)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	out, _, err := AppendName(nil, b[:n], 0)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(out)
}

func unpackSeeds() [][]byte {
	seeds := [][]byte{
		response,
		message(0x0100, 1).question(exampleOrg, TypeA, ClassIN),
		message(0x8180, 1, 0, 1).question(exampleOrg, TypeA, ClassIN).record(toQuestion, TypeSOA, ClassIN, 60, soaRdata),
		message(0x2800, 1, 0, 2).question(exampleOrg, TypeSOA, ClassIN).
			record(www, TypeA, ClassANY, 0, "").record(www, TypeA, ClassIN, 60, "\xc0\x00\x02\x01"),
		message(0, 0, 0, 0, 2).record("\x00", TypeOPT, 512, 0, "").record("\x00", TypeOPT, 512, 0, ""),
		message(0, 1, 0, 0, 1).question(strings.Repeat("\x01a", 127)+"\x00", 1, 1).
			record("\x00", TypeOPT, 4096, 0x8000, "\x00\x08\x00\x07\x00\x01\x18\x00\xc0\x00\x02\x00\x0a\x00\x0812345678\x00\x0f\x00\x02\x00\x06"),
		message(0, 2).question("\x05.\\\x00\xff \x00", 255, 255).question("\x01@\xc0\x0c", 1, 1),
		message(0, 2).question("\xc0\x12", 1, 1).question("\x00", 1, 1),
		slices.Clone(response[:len(response)/2]),
	}
	for _, text := range rdataTexts {
		rr, err := judge.NewRR("example.org. 300 IN " + text)
		if err != nil {
			panic(err)
		}
		j := judge.Msg{MsgHdr: judge.MsgHdr{Response: true}, Compress: true, Answer: []judge.RR{rr}}
		j.SetQuestion("example.org.", rr.Header().Rrtype)
		b, err := j.Pack()
		if err != nil {
			panic(err)
		}
		seeds = append(seeds, b)
	}
	return seeds
}

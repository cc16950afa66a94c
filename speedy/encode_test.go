package speedy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"ratadns/dns"
)

// Messages of the golden tests.
var (
	aQuery = wire(0x2e13, 0x0110, [4]uint16{1}, question(name("www.Ejemplo.cl."), 1, 1))
	// A response with a record in each section and EDNS: version 1, DO,
	// BADVERS, NSID, a Client Subnet of 203.0.113.0/24 and a cookie.
	aResponse = wire(0xb, 0x8580, [4]uint16{1, 2, 1, 3},
		question(name("example.cl."), 15, 1),
		record(pointer(12), 15, 1, 3600, append([]byte{0, 10, 4, 'm', 'a', 'i', 'l'}, pointer(12)...)),
		record(pointer(12), 65400, 1, 0, []byte{10, 11}),
		record(pointer(12), 2, 1, 4294967295, name("ns.example.cl.")),
		opt(1232, 0x01018000, option(3, "id"), option(8, "\x00\x01\x18\x00\xcb\x00\x71"), option(10, "12345678")),
		record(name("ns.example.cl."), 1, 1, 60, []byte{192, 0, 2, 1}),
		record(name("ns.example.cl."), 28, 1, 60, netip.MustParseAddr("2001:db8::1").AsSlice()),
	)
	escapes = wire(0, 0, [4]uint16{2},
		question([]byte("\x05a.b\\c\x06\"<&> \x7f\x04\x00\x1f\x21\xff\x00"), 0, 0xffff),
		question([]byte{0}, 255, 3))
)

const (
	queryMember  = `"queries":[{"qname":"www.Ejemplo.cl.","qtype":"1","qclass":"1"}]`
	mxQuery      = `"queries":[{"qname":"example.cl.","qtype":"f","qclass":"1"}]`
	mxAnswers    = `"answers":[{"name":"example.cl.","type":"f","class":"1","ttl":3600,"mx":["10 mail.example.cl."]},{"name":"example.cl.","type":"ff78","class":"1","ttl":0,"type65400":["\\# 2 0a0b"]}]`
	mxAuthority  = `"authorities":[{"name":"example.cl.","type":"2","class":"1","ttl":4294967295,"ns":["ns.example.cl."]}]`
	mxAdditional = `"additionals":[{"name":"ns.example.cl.","type":"1","class":"1","ttl":60,"a":["192.0.2.1"]},{"name":"ns.example.cl.","type":"1c","class":"1","ttl":60,"aaaa":["2001:db8::1"]}]`
	mxEDNS       = `"edns":{"version":"1","udp":1232,"do":true,"rcode":"10","options":[{"code":"3","data":"6964"},{"code":"8","scope":0,"subnet":"CB007100/24"},{"code":"a","data":"3132333435363738"}]}`
	head         = `"source":"C0000201","dest":"C6336435",`
	flow         = `"time":1475762100.123456789,"transport":"udp","sport":4000,"dport":53,`
)

func TestEncode(t *testing.T) {
	seed := func(s string) string {
		for _, ttl := range []string{`,"ttl":3600`, `,"ttl":0`, `,"ttl":4294967295`} {
			s = strings.Replace(s, ttl, "", 1)
		}
		return s
	}
	f := func(fields string, b []byte, want string) {
		t.Helper()
		set := FieldsDefault
		if fields != "" {
			var err error
			if set, err = ParseFields(fields); err != nil {
				t.Fatal(err)
			}
		}
		got := string(NewEncoder(set, anonymizer(t, None, zeroKey)).AppendFramed(nil, message(b)))
		if want = strconv.Itoa(len(want)) + want; got != want {
			t.Errorf("fields %q:\n got %s\nwant %s", fields, got, want)
		}
		if !json.Valid([]byte(strings.TrimLeft(got, "0123456789"))) {
			t.Errorf("not JSON: %s", got)
		}
	}
	id, mxID := `"id":"2e13","flags":"110"`, `"id":"b","flags":"8580"`
	f("", aQuery, `{`+head+id+`,`+queryMember+`,`+flow+`"size":32,"counts":[0,0,0]}`)
	f("all", aQuery, `{`+head+id+`,`+queryMember+`,`+flow+`"size":32,"counts":[0,0,0]}`)
	f("seed", aQuery, `{`+head+id+`,`+queryMember+`}`)
	size := fmt.Sprintf(`"size":%d,`, len(aResponse))
	f("", aResponse, `{`+head+mxID+`,`+mxQuery+`,`+flow+size+`"counts":[2,1,3],`+mxEDNS+`}`)
	f("all", aResponse, `{`+head+mxID+`,`+mxQuery+`,`+mxAnswers+`,`+mxAuthority+`,`+mxAdditional+`,`+flow+size+`"counts":[2,1,3],`+mxEDNS+`}`)
	f("seed", aResponse, `{`+head+mxID+`,`+mxQuery+`,`+seed(mxAnswers)+`,`+seed(mxAuthority)+`}`)
	f("source", aResponse, `{"source":"C0000201",`+mxID+`}`)
	f("dest", aResponse, `{"dest":"C6336435",`+mxID+`}`)
	f("queries", aResponse, `{`+mxID+`,`+mxQuery+`}`)
	f("answers", aResponse, `{`+mxID+`,`+mxAnswers+`}`)
	f("authorities", aResponse, `{`+mxID+`,`+mxAuthority+`}`)
	f("additionals", aResponse, `{`+mxID+`,`+mxAdditional+`}`)
	f("additionals,answers", aResponse, `{`+mxID+`,`+mxAnswers+`,`+mxAdditional+`}`)
	f("time", aResponse, `{`+mxID+`,"time":1475762100.123456789}`)
	f("transport", aResponse, `{`+mxID+`,"transport":"udp"}`)
	f("ports", aResponse, `{`+mxID+`,"sport":4000,"dport":53}`)
	f("size", aResponse, `{`+mxID+`,"size":`+strconv.Itoa(len(aResponse))+`}`)
	f("counts", aResponse, `{`+mxID+`,"counts":[2,1,3]}`)
	f("edns", aResponse, `{`+mxID+`,`+mxEDNS+`}`)
	f("edns", aQuery, `{`+id+`}`)

	f("queries", escapes, `{"id":"0","flags":"0","queries":[`+
		`{"qname":"a\\.b\\\\c.\"<&>\\032\\127.\\000\\031!\\255.","qtype":"0","qclass":"ffff"},`+
		`{"qname":".","qtype":"ff","qclass":"3"}]}`)
	f("counts", wire(1, 0x8400, [4]uint16{1, 0, 1, 0}, question(name("x.cl."), 28, 1),
		record(name("cl."), 6, 1, 1, append(append(name("a."), name("b.")...), make([]byte, 20)...))),
		`{"id":"1","flags":"8400","counts":[0,1,0],"nodata":true}`)
	// A name that is a pointer to the root.
	f("queries", wire(1, 0, [4]uint16{2}, question([]byte{0}, 1, 1), question(pointer(12), 2, 1)),
		`{"id":"1","flags":"0","queries":[{"qname":".","qtype":"1","qclass":"1"},{"qname":".","qtype":"2","qclass":"1"}]}`)

	// What was read before the break is there; the reason comes last, but not
	// in the form of 2015.
	short := aResponse[:len(aResponse)-1]
	f("queries,counts,edns", short, `{`+mxID+`,`+mxQuery+`,"counts":[2,1,3],`+mxEDNS+
		fmt.Sprintf(`,"malformed":{"reason":"truncated-rdata","offset":%d}}`, len(aResponse)-18))
	f("seed", short, `{`+head+mxID+`,`+mxQuery+`,`+seed(mxAnswers)+`,`+seed(mxAuthority)+`}`)
	f("queries", wire(1, 0, [4]uint16{1}, []byte("\x03www\x80")), `{"id":"1","flags":"0","malformed":{"reason":"label-type","offset":16}}`)
}

func TestParseFields(t *testing.T) {
	for _, s := range []string{"seed,time", "time,all"} {
		if _, err := ParseFields(s); err == nil || !strings.Contains(err.Error(), "stands alone") {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{"", "id", "flags", "source,", "Source", "seed,time", "source, dest"} {
		if f, err := ParseFields(s); err == nil {
			t.Errorf("%q: %b, want an error", s, f)
		}
	}
}

// A Client Subnet is anonymised as an address is, and what cannot be read is
// not shown, for it could hold one.
func TestEncodeSubnet(t *testing.T) {
	v4, v6 := "\x00\x01\x14\x00\xcb\x00\x70", "\x00\x02\x38\x10\x20\x01\x0d\xb8\x00\x01\xab"
	hash4 := anonymizer(t, Hash, Key{1}).Addr(netip.MustParseAddr("203.0.112.0"))
	hash6 := anonymizer(t, Hash, Key{1}).Addr(netip.MustParseAddr("2001:db8:1:ab00::"))
	pan := func(s string) string {
		p := netip.MustParsePrefix(s)
		p, _ = anonymizer(t, Prefix, Key{1}).Addr(p.Addr()).Prefix(p.Bits())
		return string(AppendAddr(nil, p.Addr()))
	}
	for _, c := range []struct {
		method Method
		data   string
		want   string
	}{
		{None, v4, `"scope":0,"subnet":"CB007000/20"`},
		{None, v6, `"scope":16,"subnet":"20010DB80001AB000000000000000000/56"`},
		{Truncate, v4, `"scope":0,"subnet":"CB007000/20"`},
		{Truncate, "\x00\x01\x20\x00\xcb\x00\x71\x09", `"scope":0,"subnet":"CB007100/32"`},
		{Truncate, v6, `"scope":16,"subnet":"20010DB8000100000000000000000000/56"`},
		{Hash, v4, `"scope":0,"subnet":"` + string(AppendAddr(nil, hash4)) + `/20"`},
		{Hash, v6, `"scope":16,"subnet":"` + string(AppendAddr(nil, hash6)) + `/56"`},
		{Prefix, v4, `"scope":0,"subnet":"` + pan("203.0.112.0/20") + `/20"`},
		{Prefix, v6, `"scope":16,"subnet":"` + pan("2001:db8:1:ab00::/56") + `/56"`},
		{None, "\x00\x01\x00\x00", `"scope":0,"subnet":"00000000/0"`},
		{Prefix, "\x00\x02\x00\x00", `"scope":0,"subnet":"00000000000000000000000000000000/0"`},
		{None, "", `"subnet":""`},
		{None, "\x00\x01\x18", `"subnet":""`},
		{None, "\x00\x01\x18\x00\xcb\x00", `"subnet":""`},
		{None, "\x00\x01\x18\x00\xcb\x00\x71\x09\x00", `"subnet":""`},
		{None, "\x00\x01\x21\x00\xcb\x00\x71\x09\x00", `"subnet":""`},
		{None, "\x00\x03\x08\x00\xcb", `"subnet":""`},
	} {
		b := wire(1, 0, [4]uint16{0, 0, 0, 1}, opt(512, 0, option(8, c.data)))
		e := NewEncoder(FieldEDNS, anonymizer(t, c.method, Key{1}))
		want := `{"id":"1","flags":"0","edns":{"version":"0","udp":512,"do":false,"rcode":"0","options":[{"code":"8",` + c.want + `}]}}`
		if got := string(e.Append(nil, message(b))); got != want {
			t.Errorf("%s %q:\n got %s\nwant %s", c.method, c.data, got, want)
		}
	}
}

// Times between the epoch and the year 2242 have nine decimals.
func TestEncodeTime(t *testing.T) {
	e := NewEncoder(FieldTime, anonymizer(t, None, zeroKey))
	for ns, want := range map[int64]string{
		0: "0.000000000", 1: "0.000000001", 10: "0.000000010", 999999999: "0.999999999", 1e9: "1.000000000",
		1234567890987654321: "1234567890.987654321", 1234567890100000000: "1234567890.100000000",
		1 << 33 * 1e9: "8589934592.000000000",
		-1:            "0.000000000", // no clock, so no time
		-5e9 - 1:      "0.000000000",
	} {
		m := &Message{Time: ns, Has: FieldTime}
		if got, want := string(e.Append(nil, m)), `{"id":"0","flags":"0","time":`+want+`}`; got != want {
			t.Errorf("%d: %s, want %s", ns, got, want)
		}
	}
}

// many is a message of n questions for one name of about 4 n octets in JSON,
// by compression.
func many(n, label int) []byte {
	long := append([]byte{byte(label)}, bytes.Repeat([]byte{1}, label)...)
	var longName []byte
	for range 3 {
		longName = append(longName, long...)
	}
	parts := [][]byte{question(append(longName, 0), 1, 1)}
	for range n - 1 {
		parts = append(parts, question(pointer(12), 1, 1))
	}
	return wire(7, 0, [4]uint16{uint16(n)}, parts...)
}

// The length before an object is that of the object, whatever its digits, and
// wherever it stands in the buffer.
func TestFrame(t *testing.T) {
	var all []byte
	var want []string
	digits := map[int]bool{}
	for _, fields := range []Fields{0, FieldsDefault} {
		e := NewEncoder(fields, anonymizer(t, None, zeroKey))
		for _, n := range []int{1, 2, 10, 100, 1000} {
			m := message(many(n, 20))
			object := string(e.Append(nil, m))
			if !json.Valid([]byte(object)) {
				t.Fatalf("not JSON: %s", object)
			}
			framed := strconv.Itoa(len(object)) + object
			want = append(want, framed)
			digits[len(framed)-len(object)] = true
			if got := string(e.AppendFramed([]byte("xyz"), m)); got != "xyz"+framed {
				t.Errorf("%d questions: %.60s, want xyz%.60s", n, got, framed)
			}
			all = e.AppendFramed(all, m)
		}
	}
	if string(all) != strings.Join(want, "") {
		t.Error("messages behind each other differ from single ones")
	}
	for d := 2; d <= 6; d++ {
		if !digits[d] {
			t.Errorf("no object with a length of %d digits: %v", d, digits)
		}
	}
}

// A message of more than 4 MiB loses its sections, and those beside it in the
// buffer lose nothing.
func TestEncodeCut(t *testing.T) {
	e := NewEncoder(FieldsAll, anonymizer(t, None, zeroKey))
	big, small := message(many(5000, 63)), message(many(3, 5))
	almost := message(many(4200, 63))
	want := `{` + head + `"id":"7","flags":"0",` + flow + fmt.Sprintf(`"size":%d,"counts":[0,0,0],"cut":true}`, big.Size)
	if got := string(e.Append(nil, big)); got != want {
		t.Errorf("got %.300s, want %s", got, want)
	}
	whole := string(e.Append(nil, small))
	full := string(e.Append(nil, almost))
	if len(full) > MaxObject || len(full) < MaxObject*9/10 || !json.Valid([]byte(full)) {
		t.Fatalf("object of %d octets", len(full))
	}
	buf := []byte(strings.Repeat(" ", 3*MaxObject))
	for _, c := range []struct {
		m    *Message
		want string
	}{{small, whole}, {big, want}, {almost, full}, {small, whole}} {
		n := len(buf)
		if buf = e.Append(buf, c.m); string(buf[n:]) != c.want {
			t.Errorf("behind %d octets: %.200s…, want %.200s…", n, buf[n:], c.want)
		}
	}
}

// Every octet of a label, and what quotes there are.
func TestEscapes(t *testing.T) {
	for c := range 256 {
		b := wire(0, 0, [4]uint16{1}, question([]byte{2, byte(c), 'x', 0}, 1, 1))
		var got struct{ Queries []struct{ Qname string } }
		object := NewEncoder(FieldQueries, anonymizer(t, None, zeroKey)).Append(nil, message(b))
		if err := json.Unmarshal(object, &got); err != nil {
			t.Fatalf("%s: %v", object, err)
		}
		want := string(dns.AppendLabel(nil, []byte{byte(c), 'x'})) + "."
		if got.Queries[0].Qname != want {
			t.Errorf("octet %02x: %q, want %q", c, got.Queries[0].Qname, want)
		}
	}
}

// TestPlainLen: what it passes over is written as it stands, and it comes within
// eight octets of the first that is not.
func TestPlainLen(t *testing.T) {
	for n := range 40 {
		text := []byte(strings.Repeat("a ~[]!#", 6)[:n])
		if got := plainLen(text); got != n {
			t.Errorf("%q: %d", text, got)
		}
		for i := range text {
			was := text[i]
			for c := range 256 {
				text[i] = byte(c)
				first := i
				if len(appendEscaped(nil, text[i:i+1])) == 1 {
					first = n
				}
				if got := plainLen(text); got > first || got+8 <= first {
					t.Errorf("%q: %d, the first to be escaped is at %d", text, got, first)
				}
			}
			text[i] = was
		}
	}
}

func TestEncodeAllocates(t *testing.T) {
	e := NewEncoder(FieldsAll, anonymizer(t, Hash, Key{1}))
	q, r := message(aQuery), message(aResponse)
	buf := make([]byte, 0, 1<<16)
	if n := testing.AllocsPerRun(100, func() { buf = e.AppendFramed(e.AppendFramed(buf[:0], q), r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

package reduce

import (
	"errors"
	"strings"
	"testing"

	"ratadns/packet"
	"ratadns/speedy"
)

// The messages that expressions are held against, by letter.
func whereMessages(t testing.TB) map[byte]*speedy.Message {
	q := msg{from: alice, to: ns, id: 7, flags: query, qname: "www.Example.CL.", qtype: 1}.make(t)
	r := msg{from: ns, to: alice, id: 7, flags: nxdom, qname: "www.example.cl.", qtype: 28}.make(t)
	six := msg{from: carol, to: ns6, flags: 0x0110, qname: ".", qtype: 65400}.make(t)
	six.Transport = packet.TCP
	none := msg{from: bob, to: ns, flags: query}.make(t)
	bad := msg{from: bob, to: ns, flags: 0x0300, qname: "_dmarc.a\\.b.example.org.", qtype: 16, change: promise}.make(t)
	return map[byte]*speedy.Message{'q': q, 'r': r, '6': six, 'n': none, 'b': bad}
}

const whereLetters = "qr6nb"

// TestWhere: which of the messages an expression selects: q is a query for
// www.Example.CL A, r its response NXDOMAIN, 6 a query over TCP and IPv6 for the
// root and TYPE65400, n a query without a question, b malformed, with TC.
func TestWhere(t *testing.T) {
	messages := whereMessages(t)
	event := NewEvent(plain(t))
	for _, c := range []struct{ where, want string }{
		{`true`, "qr6nb"},
		{`false`, ""},
		// Flags.
		{`tc`, "b"},
		{`not tc and rd`, "qr6n"},
		{`!tc && !qr || tc`, "q6nb"},
		{`tc == false`, "qr6n"},
		{`tc != true`, "qr6n"},
		{`rd == cd`, "6"},
		{`qr ? ra : cd`, "r6"},
		// Codes.
		{`qtype == "A"`, "q"},
		{`qtype == "a"`, "q"},
		{`"AAAA" == qtype`, "r"},
		{`qtype == 28`, "r"},
		{`qtype == 0x1c`, "r"},
		{`qtype == "TYPE65400"`, "6"},
		{`qtype in ["A", "AAAA", 65400]`, "qr6"},
		{`qtype in 1..28`, "qrb"},
		{`qtype > 1 and qtype < 100`, "rb"},
		{`100 > qtype`, "qrb"},
		{`rcode == "NXDOMAIN"`, "r"},
		{`opcode == "QUERY"`, "qr6nb"},
		{`qclass == "IN"`, "qr6b"},
		{`qtype + 1 == 2`, "q"},
		// What a message does not have compares as false, and so != as true.
		{`qtype != "A"`, "r6nb"},
		{`not (qtype == "A")`, "r6nb"},
		{`qtype not in ["A"]`, "r6nb"},
		{`qtype <= 65535`, "qr6b"},
		{`len(qname) >= 0`, "qr6b"},
		{`len(qname) != 1`, "qrnb"},
		{`edns_size < 10000`, ""},
		{`edns_version == "none"`, "qr6nb"},
		{`edns_version in ["none", 0]`, "qr6nb"},
		{`latency >= 0`, ""},
		// Numbers.
		{`size == 12`, "n"},
		{`size > 4 * 3`, "qr6b"},
		{`size in 12..17`, "6n"},
		{`size in [12, 17, -1]`, "6n"},
		{`size >= -1`, "qr6nb"},
		{`size < 0`, ""},
		{`labels == 3`, "qr"},
		{`client_port == server_port`, ""},
		{`questions > answers`, "qr6"},
		{`questions >= answers`, "qr6nb"},
		{`client_port > server_port`, "qr6nb"},
		{`size % 2 == 0`, "qrnb"},
		// Names.
		{`qname == "www.example.cl"`, "qr"},
		{`qname == "WWW.example.cl."`, "qr"},
		{`qname == "www.example.\\099l."`, "qr"},
		{`qname == "."`, "6"},
		{`qname in ["example.cl", ".", "a.b.example.org"]`, "6"},
		{`qname == "_dmarc.a\\.b.example.org"`, "b"},
		{`qname endsWith ".CL."`, "qr"},
		{`qname startsWith "WWW."`, "qr"},
		{`qname contains "eXaMpLe"`, "qrb"},
		{`qname not contains "example"`, "6n"},
		{`qname matches "^WWW\\.|^_"`, "qrb"},
		{`qname matches "^\\S+$"`, "qr6b"},
		{`qname < "b"`, "6b"},
		{`len(qname) > 20`, "b"},
		{`any(split(qname, "."), # == "www")`, "qr"},
		{`split(qname, ".") | any(len(#) > 5 and rd)`, "qrb"},
		{`count(split(qname, "."), # != "") == 3`, "qr"},
		{`upper(qname)[0:3] == "WWW"`, "qr"},
		{`(qr ? "www" : "_dmarc") == split(qname, ".")[0]`, "rb"},
		// Words.
		{`transport == "tcp"`, "6"},
		{`transport in ["udp", "TCP"]`, "qr6nb"},
		{`ip_version == "IPv6"`, "6"},
		{`malformed == "truncated-name"`, ""},
		{`malformed != "no"`, "b"},
		{`malformed startsWith "truncated"`, "b"},
		{`malformed == "no"`, "qr6n"},
		{`transport + ip_version == "tcpIPv6"`, "6"},
		// Addresses, the real ones.
		{`client == "192.0.2.10"`, "qr"},
		{`client in "192.0.2.0/24"`, "qrnb"},
		{`client in ["192.0.2.10", "2001:db8::/32"]`, "qr6"},
		{`client != "192.0.2.10"`, "6nb"},
		{`client not in "192.0.2.0/24"`, "6"},
		{`client == server`, ""},
		{`client in "::/0"`, "6"},
		{`(client in "192.0.2.0/24") == qr`, "r6"},
		// Fields with arguments.
		{`label(1) == "CL"`, "qr"},
		{`label( -1 ) in ["www", "_dmarc"]`, "qrb"},
		{`label(1) != "cl"`, "6nb"},
		{`label(2) > label(1)`, "qr"},
		{`len(label(2)) == len(label(-2)) and tc`, ""},
		{`len(label(-1)) + len(label(1)) == 5`, "qr"},
		{`option(COOKIE) or option(65001)`, ""},
		{`not option(10) and not (len(label(1)) > 0)`, "6n"},
		{`client_subnet(8, 16) == "192.0.0.0/8"`, "qrnb"},
		{`client_subnet(8,16) in "2001::/16"`, "6"},
		// Precedence and spaces.
		{"qr or tc and cd\n\tor ip_version == 'IPv6'", "r6"},
		{`(qr or tc) and rd // responses`, "r" + "b"},
	} {
		w, err := CompileWhere(c.where)
		if err != nil {
			t.Errorf("%s: %v", c.where, err)
			continue
		}
		got := ""
		for _, letter := range []byte(whereLetters) {
			event.Set(messages[letter])
			if w.Match(event) {
				got += string(letter)
			}
			if event.failure != nil {
				t.Errorf("%s: %v", c.where, event.failure)
			}
		}
		if got != c.want {
			t.Errorf("%s selects %q, want %q", c.where, got, c.want)
		}
		agree(t, w, event, messages)
	}
}

// agree holds the closures against the VM.
func agree(t testing.TB, w *Where, event *Event, messages map[byte]*speedy.Message) {
	t.Helper()
	p, err := newProgram(w.root)
	if err != nil {
		t.Errorf("%s: the VM does not take it: %v", w, err)
		return
	}
	for _, letter := range []byte(whereLetters) {
		event.Set(messages[letter])
		closure := w.Match(event)
		failed := event.failure
		event.failure = nil
		if machine := p.match(event) && event.failure == nil; failed == nil && event.failure == nil && closure != machine {
			t.Errorf("%s of %c: closures say %v, the VM %v", w, letter, closure, machine)
		}
	}
}

// TestWhereErrors: line and column, and what would do.
func TestWhereErrors(t *testing.T) {
	for _, c := range []struct{ where, want string }{
		{``, `1:1: the expression is empty`},
		{`qtpe == "A"`, `1:1: unknown field "qtpe", there is qtype`},
		{"rd and\n  rcod == 3", `2:3: unknown field "rcod", there is rcode`},
		{`rcode == "NXDOMIAN"`, `1:10: unknown rcode "NXDOMIAN"; rcode == "FORMERR" would do`},
		{`qtype in ["A", "AAAAA"]`, `1:16: unknown qtype "AAAAA"`},
		{`qtype == 70000`, `1:10: qtype is 0 to 65535, got 70000`},
		{`qtype == true`, `1:10: qtype is a code and cannot be compared with true; qtype == "A" would do`},
		{`qtype contains "A"`, `1:1: qtype is a code, which contains does not compare`},
		{`qtype in "A"`, `1:10: in wants a list, as in qtype in ["A"]`},
		{`qtype == ["A"]`, `1:10: == wants one value, a list stands after in`},
		{`size == "x"`, `1:9: size is a number and cannot be compared with "x"; size > 10 would do`},
		{`size > 1.5`, `1:8: size is a number and cannot be compared with 1.5`},
		{`size`, `1:1: size is a number, neither true nor false; compare it, as in size > 10`},
		{`rd and size`, `1:8: size is a number`},
		{`tc == 1`, `1:7: tc is true or false and cannot be compared with 1; not tc would do`},
		{`qname == 5`, `1:10: qname is a name and cannot be compared with 5`},
		{`qname == "a..b"`, `1:10: "a..b" is not a name`},
		{`qname endsWith ".cl"`, `1:16: qname ends in a dot: ".cl." would do`},
		{`qname matches "("`, `1:15: error parsing regexp`},
		{`qname matches transport`, `1:7: matches wants a regular expression in quotes`},
		{`qname matches "(a{500}){2}b"`, `1:15: the regular expression has 1`},
		{`transport == "upd"`, `1:14: no transport is like "upd"; there are udp, tcp, dot, doh, doq, dnscrypt`},
		{`malformed == "yes"`, `1:14: no malformed is like "yes"; there are truncated-name`},
		{`malformed`, `1:1: malformed is a word of a list, neither true nor false; compare it`},
		{`client == "192.0.2.300"`, `1:11: "192.0.2.300" is no address and no prefix`},
		{`client == "192.0.2.0/24"`, `1:11: client is one address and never equals a prefix; client in "192.0.2.0/24" would do`},
		{`client in "192.0.2.1/24"`, `1:11: "192.0.2.1/24" has bits after its length; "192.0.2.0/24" would do`},
		{`client > "192.0.2.1"`, `1:1: client is an address, which > does not compare; client in "192.0.2.0/24" would do`},
		{`string(client) == "x"`, `1:8: client is an address; compare it with == or in`},
		{`client == qname`, `1:11: client is an address and qname is a name, which cannot be compared by ==`},
		{`size == qname`, `1:9: size is a number and qname is a name, which cannot be compared by ==`},
		{`size + 1 == "x"`, `1:10: invalid operation: == (different types number and text): size is a number`},
		{`len(size) > 1`, `1:1: invalid argument for len (type number): size is a number`},
		{`len(qname)`, `1:1: this is neither true nor false, but number: qname is a name`},
		{`rcode == (tc ? "A" : "B")`, `different types number and text`},
		{`now() == 1`, `1:1: now is not part of the language of where`},
		{`repeat("x", 1000000) == qname`, `1:1: repeat is not part of the language of where`},
		{`size in 1..qtype`, `1:10: a range stands after in`},
		{`len(1..1000000) > 1`, `1:6: a range stands after in`},
		{`let a = 1; a == 1`, `1:5: let is not part of this language`},
		{`foo(1)`, `1:1: unknown function foo`},
		{`tc or label(0) == "x"`, `1:7: label(n) has no such arguments`},
		{`client_subnet == "198.51.100.1"`, `1:18: client_subnet is a /24 and never equals "198.51.100.1"; client_subnet == "198.51.100.0/24" would do`},
		{`client_subnet(20,32) == "2001:db8::/48"`, `1:25: client_subnet(20,32) is a /32 and never equals "2001:db8::/48"; client_subnet(20,32) == "2001:db8::/32" would do`},
		{`client_subnet == "198.51.0.0/16"`, `1:18: client_subnet is a /24 and never equals "198.51.0.0/16"; client_subnet in "198.51.0.0/16" would do`},
		{`client_subnet(8) == client`, `1:1: client_subnet(n4,n6) has no such arguments`},
		{`label(size) == "x"`, `1:1: label(n) has no such arguments`},
		{`qname.foo == 1`, `1:7: fields have no members`},
		{`any([1, 2], # == size)`, `1:1: any wants the parts of a text`},
		{`any(split(qname, "."), any(split(#, ""), # == "a"))`, `a function of each part cannot stand inside another`},
		{`qname == nil`, `qname is a name and cannot be compared with this`},
		{`{"a": 1}`, `1:1: this is not part of the language of where`},
		{`$env`, `1:1: unknown field "$env"`},
		{`qtype = "A"`, `1:7: not expected here`},
		{`qtype ==`, `1:8: the expression ends too early`},
		{`"x`, `1:3: literal not terminated`},
		{`"ñandú" == qname and x`, `1:22: unknown field "x"`},
		{"\xff", `1:1: not UTF-8`},
		{`qname in [` + strings.Repeat(`"a",`, 2100) + `"b"]`, `the expression has more than 2000 words`},
		{`len(qname) in [` + strings.Repeat(`len(qname),`, 400) + `1]`, `has 500 words at most, this has`},
		{strings.Repeat(" ", maxWhere+1), `1:1: an expression has 16384 octets at most, this one 16385`},
	} {
		_, err := CompileWhere(c.where)
		if err == nil {
			t.Errorf("%.100s: no error, want %s", c.where, c.want)
			continue
		}
		var at *WhereError
		if !errors.As(err, &at) || !strings.Contains(err.Error(), c.want) || strings.HasPrefix(c.want, "1:") && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%.100s: %v, want %s", c.where, err, c.want)
		}
	}
}

package reduce

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/publicsuffix"

	"ratadns/dns"
	"ratadns/speedy"
)

// fieldOf is a field's key of an event, or "-" where it has none.
func fieldOf(t testing.TB, name string, e *Event) string {
	t.Helper()
	f := FindField(name)
	if f == nil {
		t.Fatalf("no field %s", name)
	}
	in := newInterner()
	e.columns, e.names = make([]column, 1), in
	v, ok := e.value(dim{f, 0, -1})
	switch {
	case !ok:
		return "-"
	case v == absentValue:
		return f.absent
	case f.Kind.octets():
		return in.texts[v]
	}
	return string(f.appendNumber(nil, v, &Style{}))
}

// TestNameFields holds what fields make of names.
func TestNameFields(t *testing.T) {
	long := strings.Repeat("a.", 126) + "b."
	for _, c := range []struct{ name, field, want string }{
		{".", "tld", "."}, {"cl.", "tld", "cl"}, {"www.Example.CL.", "tld", "cl"},
		{".", "second_level", "."}, {"cl.", "second_level", "cl."}, {"www.example.cl.", "second_level", "example.cl."},
		{"example.cl.", "third_level", "example.cl."}, {"a.www.example.cl.", "third_level", "www.example.cl."},
		{".", "registered_domain", "."}, {"cl.", "registered_domain", "cl."}, {"co.uk.", "registered_domain", "co.uk."},
		{"www.example.co.uk.", "registered_domain", "example.co.uk."},
		// By the ICANN part: hosters' suffixes are domains that somebody registered.
		{"a.b.github.io.", "registered_domain", "github.io."}, {"github.io.", "registered_domain", "github.io."},
		{"x.s3.amazonaws.com.cn.", "registered_domain", "amazonaws.com.cn."},
		{"a.b.c.ck.", "registered_domain", "b.c.ck."}, {"www.ck.", "registered_domain", "www.ck."}, {"a.www.ck.", "registered_domain", "www.ck."},
		{"a.b.nosuchtld.", "registered_domain", "b.nosuchtld."}, {"nosuchtld.", "registered_domain", "nosuchtld."},
		// A dot inside a label is none between labels.
		{`a\.co.uk.`, "registered_domain", `a\.co.uk.`}, {`a\.b.co.uk.`, "registered_domain", `a\.b.co.uk.`},
		{`x\.com.`, "tld", `x\.com`}, {`a\\.com.`, "tld", "com"}, {`a\\.com.`, "registered_domain", `a\\.com.`},
		{`w.\000.\255\..`, "second_level", `\000.\255\..`}, {`w.\000.\255\..`, "registered_domain", `\000.\255\..`},
		{"a.b.c.", "label(1)", "c"}, {"a.b.c.", "label(3)", "a"}, {"a.b.c.", "label(4)", "-"}, {".", "label(1)", "-"},
		{"a.b.c.", "label(-1)", "a"}, {"a.b.c.", "label(-3)", "c"}, {"a.b.c.", "label(-4)", "-"}, {"a.b.c.", "label( 2 )", "b"},
		{long, "label(127)", "a"}, {long, "label(1)", "b"}, {long, "tld", "b"}, {long, "third_level", "a.a.b."},
		{"a.xn--p1ai.", "idn", "idn"}, {"a.XN--p1ai.", "idn", "idn"}, {"axn--.example.", "idn", "normal"}, {`a\.xn--b.example.`, "idn", "normal"},
		{"xn--.example.", "idn", "idn"}, {`xn--\255\000.example.`, "idn", "idn"}, {".", "idn", "normal"},
		{"localhost.", "certain_qname", "localhost"}, {"a.localhost.", "certain_qname", "else"},
		{"M.root-servers.net.", "certain_qname", "X.root-servers.net"}, {"n.root-servers.net.", "certain_qname", "else"},
		{"root-servers.net.", "certain_qname", "else"}, {".", "certain_qname", "else"},
		{"www.example.org.", "subdomain_length", "3"}, {`a\.b\255.c.example.org.`, "subdomain_length", "5"}, {"example.org.", "subdomain_length", "0"}, {".", "subdomain_length", "0"},
		{"1.2.3.4.", "registered_domain", "3.4."},
		{"aa.aa.", "entropy", "0"}, {"ab.ab.", "entropy", "1000"}, {"abcd.", "entropy", "2000"}, {".", "entropy", "0"},
	} {
		e := NewEvent(plain(t))
		e.Set(askFor(t, 1, c.name)[0])
		if got := fieldOf(t, c.field, e); got != c.want {
			t.Errorf("%s of %s: %s, want %s", c.field, c.name, got, c.want)
		}
	}
}

// TestZones holds the registered domain against the list's own reading, where
// that has no private part.
func TestZones(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	labels := []string{"com", "uk", "co", "jp", "kobe", "city", "ck", "www", "example", "a", "b", "no", "akershus", "gs", "xn--p1ai", "er", "er", "bd"}
	e, compared := NewEvent(plain(t)), 0
	for range 5000 {
		var parts []string
		for range 1 + rng.IntN(5) {
			parts = append(parts, labels[rng.IntN(len(labels))])
		}
		name := strings.Join(parts, ".")
		suffix, icann := publicsuffix.PublicSuffix(name)
		if !icann && strings.Contains(suffix, ".") {
			continue
		}
		want, err := publicsuffix.EffectiveTLDPlusOne(name)
		if err != nil { // a suffix itself
			want = name
		}
		compared++
		e.Set(askFor(t, 1, name+".")[0])
		if got := fieldOf(t, "registered_domain", e); got != want+"." {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if compared < 4000 {
		t.Errorf("only %d names compared", compared)
	}
}

// TestQueryClass has a line for each class and for what comes close to it.
func TestQueryClass(t *testing.T) {
	class := func(c uint16) func([]byte) []byte {
		return func(wire []byte) []byte { wire[len(wire)-1], wire[len(wire)-2] = byte(c), byte(c>>8); return wire }
	}
	zero := strings.Replace(alice, "40000", "0", 1)
	for _, c := range []struct {
		m    msg
		want string
	}{
		{msg{qname: "a.example.org.", qtype: 1}, "ok"},
		{msg{qname: "a.example.org.", qtype: 1, change: promise}, "malformed"},
		{msg{qname: "a.example.org.", qtype: 1, from: zero, change: promise}, "malformed"},
		{msg{qname: "a.example.org.", qtype: 65400, from: zero}, "src-port-zero"},
		{msg{from: zero}, "src-port-zero"},
		{msg{}, "-"}, // no question
		{msg{qname: "a.example.org.", qtype: 65400, change: class(2)}, "funny-qclass"},
		{msg{qname: "a.example.org.", qtype: 1, change: class(3)}, "ok"},
		{msg{qname: "a.example.org.", qtype: 1, change: class(254)}, "ok"},
		{msg{qname: "a.example.org.", qtype: 1, change: class(255)}, "ok"},
		{msg{qname: "a.example.org.", qtype: 1, change: class(0)}, "funny-qclass"},
		{msg{qname: "1.2.3.4.", qtype: 65400}, "funny-qtype"},
		{msg{qname: "1.2.3.4.", qtype: 0}, "funny-qtype"},
		{msg{qname: "1.2.3.4.", qtype: 1}, "a-for-a"},
		{msg{qname: "255.255.255.255.", qtype: 1}, "a-for-a"},
		{msg{qname: "256.2.3.4.", qtype: 1}, "non-auth-tld"},
		{msg{qname: "1.2.3.", qtype: 1}, "non-auth-tld"},
		{msg{qname: "1.2.3.4.5.", qtype: 1}, "non-auth-tld"},
		{msg{qname: "1.2.3.4.", qtype: 28}, "non-auth-tld"},
		{msg{qname: ".", qtype: 1}, "a-for-root"},
		{msg{qname: ".", qtype: 2}, "ok"},
		{msg{qname: "localhost.", qtype: 1}, "localhost"},
		{msg{qname: "a.LOCALHOST.", qtype: 28}, "localhost"},
		{msg{qname: "alocalhost.", qtype: 1}, "non-auth-tld"},
		{msg{qname: `a\.localhost.`, qtype: 1}, "non-auth-tld"},
		{msg{qname: `a\\.localhost.`, qtype: 1}, "localhost"},
		{msg{qname: "root-servers.net.", qtype: 1}, "root-servers.net"},
		{msg{qname: "a.b.root-servers.net.", qtype: 1}, "root-servers.net"},
		{msg{qname: "xroot-servers.net.", qtype: 1}, "ok"},
		{msg{qname: "a.local.", qtype: 1}, "non-auth-tld"},
		{msg{qname: "a.onion.", qtype: 1}, "non-auth-tld"},
		{msg{qname: "1.0.0.10.in-addr.arpa.", qtype: 12}, "rfc1918-ptr"},
		{msg{qname: "10.in-addr.arpa.", qtype: 12}, "rfc1918-ptr"},
		{msg{qname: "1.0.0.10.in-addr.arpa.", qtype: 1}, "ok"},
		{msg{qname: "10.15.172.in-addr.arpa.", qtype: 12}, "ok"},
		{msg{qname: "10.16.172.in-addr.arpa.", qtype: 12}, "rfc1918-ptr"},
		{msg{qname: "10.29.172.in-addr.arpa.", qtype: 12}, "rfc1918-ptr"},
		{msg{qname: "31.172.in-addr.arpa.", qtype: 12}, "rfc1918-ptr"},
		{msg{qname: "10.32.172.in-addr.arpa.", qtype: 12}, "ok"},
		{msg{qname: "1.168.192.in-addr.arpa.", qtype: 12}, "rfc1918-ptr"},
		{msg{qname: "1.169.192.in-addr.arpa.", qtype: 12}, "ok"},
		{msg{qname: "192.in-addr.arpa.", qtype: 12}, "ok"},
	} {
		c.m.to, c.m.flags = ns, query
		if c.m.from == "" {
			c.m.from = alice
		}
		e := NewEvent(plain(t))
		e.Set(c.m.make(t))
		if got := fieldOf(t, "query_class", e); got != c.want {
			t.Errorf("%q type %d: %s, want %s", c.m.qname, c.m.qtype, got, c.want)
		}
	}
	for _, flags := range []uint16{noerr, nxdom} {
		e := NewEvent(plain(t))
		e.Set(msg{from: ns, to: alice, flags: flags, qname: "www.example.org.", qtype: 1, change: promise}.make(t))
		if got := fieldOf(t, "query_class", e); got != "-" {
			t.Errorf("a response is a query of class %s", got)
		}
	}
}

// TestTLDs: the list is as long as the registry said, of delegated domains that
// the public suffix list knows too.
func TestTLDs(t *testing.T) {
	list := rootTLDs()
	if len(list.names) != 1438 {
		t.Errorf("%d top-level domains", len(list.names))
	}
	for name := range list.names {
		// Delegated after the suffix list was made.
		_, icann := publicsuffix.PublicSuffix(name)
		_, below := publicsuffix.PublicSuffix("x." + name) // of some it has rules for what is below only
		if !icann && !below && name != "web" {
			t.Errorf("%s is unknown to the suffix list", name)
		}
	}
	for _, name := range []string{"onion", "local", "test", "example", "localhost", ""} {
		if list.Has([]byte(name)) {
			t.Errorf("%q is listed", name)
		}
	}
	if got, err := parseTLDs([]byte("# Version 1\nCOM\n\nxn--P1AI.\n")); err != nil || !got.Has([]byte("com")) || !got.Has([]byte("xn--p1ai")) || len(got.names) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "# nothing\n", "com\nco.uk\n", "com\n" + strings.Repeat("a", 64) + "\n"} {
		if _, err := parseTLDs([]byte(bad)); err == nil {
			t.Errorf("%.20q is taken", bad)
		}
	}
}

// TestFindField: each name finds its field, arguments are checked.
func TestFindField(t *testing.T) {
	seen := make(map[string]bool)
	for i := range Fields {
		f := &Fields[i]
		made := 0
		for _, is := range []bool{f.number != nil, f.text != nil, f.addr != nil, f.with != nil} {
			made += int(bit(is))
		}
		if made != 1 || f.Doc == "" || seen[f.Name] || f.Kind == Code && f.codes == nil || f.Kind == Choice && f.words == nil || f.Kind.octets() && f.number != nil {
			t.Errorf("%s is declared badly", f.Name)
		}
		seen[f.Name] = true
		if got := FindField(f.Name); f.with == nil && got != f || f.with != nil && got != nil {
			t.Errorf("%s finds %v", f.Name, got)
		}
	}
	for _, name := range []string{
		"", "nosuch", "qname()", "qname(1)", "label", "label(", "label()", "label(0)", "label(128)", "label(x)", "label(1,2)",
		"label(1)x", "client_subnet(24)", "client_subnet(33,48)", "client_subnet(24,129)", "client_subnet(-1,0)", "option(nosuch)", "option(65536)",
	} {
		if f := FindField(name); f != nil {
			t.Errorf("%q finds %s", name, f.Name)
		}
	}
	for name, want := range map[string]string{"label( 2 )": "label(2)", "client_subnet(8, 32)": "client_subnet(8,32)", "option(COOKIE)": "option(COOKIE)", "option(10)": "option(10)"} {
		if f := FindField(name); f == nil || f.Name != want {
			t.Errorf("%q finds %v", name, f)
		}
	}
}

// TestNotWritten: what a message in JSON does not tell is no number. It has no
// count of questions, which are counted.
func TestNotWritten(t *testing.T) {
	r := speedy.NewReader(strings.NewReader(`82{"flags":"8000","queries":[{"qname":"a.","qtype":"1"},{"qname":"b.","qtype":"1"}]}`))
	var m speedy.Message
	if err := r.Next(&m); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"questions": "2", "size": "-", "answers": "-", "authorities": "-", "additionals": "-", "client": "-",
		"client_subnet": "-", "client_subnet(0,0)": "-", "client_port": "-", "ip_version": "-",
	} {
		e := NewEvent(plain(t))
		e.Set(&m)
		if got := fieldOf(t, name, e); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestAnyMessage: no field fails or allocates whatever the message, and none
// says of one message what belongs to another.
func TestAnyMessage(t *testing.T) {
	msgs := makeAll(t, mixed)
	for i := range 256 { // names of 255 octets, of every octet
		m := askFor(t, 1, "a.")[0]
		wire := append(m.Wire[:dns.HeaderLen:dns.HeaderLen], longName(i, byte(i))...)
		if err := m.Unpack(append(wire, 0, 1, 0, 1)); err != nil {
			t.Fatal(err)
		}
		msgs = append(msgs, m)
	}
	msgs = append(msgs, &speedy.Message{}, msg{from: ns, to: alice, flags: noerr}.make(t))
	for _, name := range []string{"xn--.", "xn--a-ecp.ru.", `xn--\255.`, strings.Repeat(`\.\000.`, 60), strings.Repeat("1.", 127)} {
		msgs = append(msgs, askFor(t, 1, name)...)
	}
	rng := rand.New(rand.NewPCG(3, 3))
	for range 300 { // OPT records with any options
		m := msg{from: alice, to: ns, flags: query, qname: "a.", qtype: 1, change: func(wire []byte) []byte {
			var data []byte
			for range rng.IntN(4) {
				n := rng.IntN(12)
				data = append(data, 0, byte(rng.IntN(22)), 0, byte(n))
				for range n {
					data = append(data, byte(rng.IntN(40)))
				}
			}
			wire[11] = 1
			wire = append(wire, 0, 0, 41, 2, 0, 0, 0, 0x80, 0, 0, byte(len(data)))
			return append(wire, data...)
		}}.make(t)
		if m.Malformed != 0 {
			t.Fatal(m.Malformed)
		}
		msgs = append(msgs, m)
	}
	var names []string
	for i := range Fields {
		if Fields[i].with == nil {
			names = append(names, Fields[i].Name)
		}
	}
	names = append(names, "label(1)", "label(-1)", "label(127)", "client_subnet(0,0)", "client_subnet(32,128)", "option(3)", "option(65001)")
	used := NewEvent(plain(t))
	for i, m := range msgs {
		used.Set(m)
		fresh := NewEvent(plain(t))
		fresh.Set(m)
		for _, name := range names {
			if got, want := fieldOf(t, name, used), fieldOf(t, name, fresh); got != want {
				t.Errorf("message %d: %s %q after others, %q alone", i, name, got, want)
			}
		}
	}
	g := NewGroup(nil, 1)
	for _, name := range names {
		// The list of public suffixes allocates for a name not seen lately.
		if name != "registered_domain" && name != "subdomain_length" {
			g.dim(name)
		}
	}
	in := newInterner()
	in.width = g.derived
	used.names = in
	all := func() {
		for _, m := range msgs {
			used.Set(m)
			used.begin(len(g.dims), 0)
			for _, d := range g.dims {
				used.value(d)
			}
		}
	}
	all()
	if n := testing.AllocsPerRun(5, all); n > 0 {
		t.Errorf("%g allocations for %d messages", n, len(msgs))
	}
}

// TestEDNSFields reads options as they are on the wire.
func TestEDNSFields(t *testing.T) {
	make := func(options ...byte) *Event {
		e := NewEvent(plain(t))
		e.Set(msg{from: ns, to: alice, flags: noerr, qname: "a.", qtype: 1, change: func(wire []byte) []byte {
			wire[11] = 1
			return append(append(wire, 0, 0, 41, 4, 0xd0, 0, 0, 0x80, 0, 0, byte(len(options))), options...)
		}}.make(t))
		return e
	}
	ecs := []byte{0, 8, 0, 7, 0, 1, 24, 16, 192, 0, 2}
	all := slices.Concat(ecs, []byte{0, 3, 0, 4, 'n', 's', '\\', 0xff, 0, 15, 0, 2, 0, 22, 0, 10, 0, 0, 0, 12, 0, 3, 0, 0, 0, 0, 15, 0, 2, 0, 1, 0xfd, 0xe9, 0, 0})
	for _, c := range []struct {
		e           *Event
		field, want string
	}{
		{make(), "ecs", "-"}, {make(), "nsid", "-"}, {make(), "ede", "-"}, {make(), "cookie", "clr"}, {make(), "options", "0"},
		{make(), "edns_size", "1232"}, {make(), "edns_size_bin", "1024-1535"}, {make(), "do", "set"}, {make(), "padding_length", "-"},
		{make(all...), "ecs", "C0000200/24"}, {make(all...), "ecs_scope", "16"}, {make(all...), "nsid", `ns\\\255`}, {make(all...), "ede", "16"},
		{make(all...), "cookie", "set"}, {make(all...), "keepalive", "clr"}, {make(all...), "padding_length", "3"}, {make(all...), "options", "7"},
		{make(all...), "option(65001)", "set"}, {make(all...), "option(ECS)", "set"}, {make(all...), "option(65002)", "clr"},
		{make(0, 8, 0, 4, 0, 1, 0, 0), "ecs", "00000000/0"}, {make(0, 8, 0, 3, 0, 1, 24), "ecs", "-"}, {make(0, 15, 0, 1, 0), "ede", "-"}, {make(0, 3, 0, 0), "nsid", "-"},
	} {
		if got := fieldOf(t, c.field, c.e); got != c.want {
			t.Errorf("%s: %s, want %s", c.field, got, c.want)
		}
	}
	e := NewEvent(plain(t))
	e.Set(askFor(t, 1, "a.")[0])
	for field, want := range map[string]string{"edns_size_bin": "None", "edns_version": "none", "edns": "clr", "do": "clr", "edns_size": "-"} {
		if got := fieldOf(t, field, e); got != want {
			t.Errorf("without EDNS %s: %s, want %s", field, got, want)
		}
	}
}

// TestLatencyBuckets: the bound belongs to its bucket.
func TestLatencyBuckets(t *testing.T) {
	for ns, want := range map[int64]string{
		0: "1", 1000: "1", 1001: "2", 999_999: "1000", 1_000_000: "1000", 1_000_001: "2000", 2_000_000: "2000",
		4_999_999_999: "5000000", 5_000_000_000: "5000000",
	} {
		e := NewEvent(plain(t))
		e.Set(askFor(t, 1, "a.")[0])
		e.Match, e.LatencyNS = Answered, ns
		if got := fieldOf(t, "latency_bucket", e); got != want {
			t.Errorf("%d ns: %s, want %s", ns, got, want)
		}
	}
	if last := latencyWords[len(latencySteps)-1]; last != "5000000" || latencyWords[len(latencySteps)] != "timeout" {
		t.Errorf("the last bucket is %s", last)
	}
}

// TestDirection: the server's own addresses decide, where they are known.
func TestDirection(t *testing.T) {
	e := NewEvent(plain(t))
	own := func(list ...string) func(netip.Addr) bool {
		return func(a netip.Addr) bool { return slices.Contains(list, a.String()) }
	}
	for _, c := range []struct {
		m    msg
		own  func(netip.Addr) bool
		want string
	}{
		{msg{from: alice, to: ns, flags: query}, nil, "recv"},
		{msg{from: ns, to: alice, flags: noerr}, nil, "sent"},
		{msg{from: alice, to: ns, flags: noerr}, own("198.51.100.53"), "recv"}, // reflected
		{msg{from: ns, to: alice, flags: noerr}, own("198.51.100.53"), "sent"},
		{msg{from: alice, to: bob, flags: query}, own("198.51.100.53"), "else"},
		{msg{from: ns, to: ns6, flags: query}, own("198.51.100.53", "2001:db8:53::53"), "sent"},
	} {
		e.Set(c.m.make(t))
		e.own = c.own
		if got := fieldOf(t, "direction", e); got != c.want {
			t.Errorf("%s to %s: %s, want %s", c.m.from, c.m.to, got, c.want)
		}
	}
}

// TestPrefixes: the parameters choose the networks.
func TestPrefixes(t *testing.T) {
	msgs := makeAll(t, []msg{
		{from: alice, to: ns, flags: query, qname: "a.", qtype: 1},
		{from: carol, to: ns6, flags: query, qname: "a.", qtype: 1},
	})
	for _, c := range []struct {
		p    Params
		want string
	}{
		{Params{}, `{"20010DB8000000000000000000000000/48":1,"C0000200/24":1}`},
		{Params{Prefix4: new(8)}, `{"20010DB8000000000000000000000000/48":1,"C0000000/8":1}`},
		{Params{Prefix4: new(0), Prefix6: new(0)}, `{"00000000/0":1,"00000000000000000000000000000000/0":1}`},
		{Params{Prefix4: new(32), Prefix6: new(128)}, `{"20010DB8000000000000000000000010/128":1,"C000020A/32":1}`},
	} {
		if got := string(one(t, "ClientSubnet", c.p, msgs).Data); got != c.want {
			t.Errorf("%+v: %s, want %s", c.p, got, c.want)
		}
	}
}

// TestBins: the last bin of sizes is open.
func TestBins(t *testing.T) {
	f := FindField("edns_size_bin")
	var keys bytes.Buffer
	for _, n := range []uint32{0, 511, 512, 65023, 65024, 65535} {
		fmt.Fprintf(&keys, "%s ", f.appendNumber(nil, n/f.bin, &Style{}))
	}
	if got, want := keys.String(), "0-511 0-511 512-1023 64512-65023 65024-65535 65024-65535 "; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

package golden

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"ratadns/reduce"
)

// datasets judge part B of the catalogue.
var datasets = map[string]judge{
	"Qtype":           judgeTable(queries, asked(func(m *message) []string { return []string{code(m.qtype)} })),
	"Rcode":           judgeTable(responses, func(m *message) []string { return []string{code(m.rcode())} }),
	"Opcode":          judgeTable(queries, func(m *message) []string { return []string{code(m.flags >> 11 & 15)} }),
	"RcodeVSReplylen": judgeTables(responses, func(m *message) []string { return []string{code(m.rcode()), strconv.Itoa(m.size)} }),
	"ClientSubnet":    judgeTable(queries, func(m *message) []string { return []string{network(m.client(), 24, 48)} }),
	"ClientSubnet2": judgeTables(queries, func(m *message) []string {
		if class := m.class(); class != "" {
			return []string{class, network(m.client(), 24, 48)}
		}
		return nil
	}),
	"ClientAddrVSRcode": judgeTables(responses, func(m *message) []string { return []string{code(m.rcode()), address(m.client())} }),
	"QtypeVSQnamelen":   judgeTables(queries, asked(func(m *message) []string { return []string{code(m.qtype), strconv.Itoa(m.length())} })),
	"QtypeVSTld": judgeTables(scope(queries).and(func(m *message) bool {
		return m.asked && slices.Contains([]int{1, 2, 5, 6, 12, 15, 28, 33, 38, 255}, m.qtype)
	}), func(m *message) []string { return []string{code(m.qtype), m.tld()} }),
	"CertainQnamesVSQtype": judgeTables(queries, asked(func(m *message) []string { return []string{m.certain(), code(m.qtype)} })),
	"ChaosTypesAndNames": judgeTables(scope(queries).and(func(m *message) bool { return m.asked && m.qclass == 3 }),
		func(m *message) []string { return []string{code(m.qtype), m.qname} }),
	"IdnQname": judgeListing([]string{"idn", "normal"}, queries, asked(func(m *message) []string {
		if m.idn() {
			return []string{"idn"}
		}
		return []string{"normal"}
	})),
	"IdnVSTld": judgeTable(scope(queries).and((*message).idn), func(m *message) []string { return []string{m.tld()} }),
	"EdnsVersion": judgeTable(queries, func(m *message) []string {
		if m.edns == nil {
			return []string{"none"}
		}
		return []string{strconv.Itoa(m.edns.version)}
	}),
	"EdnsBufsiz": judgeRanges(512, queries, func(m *message) []string { return []string{m.payload()} }),
	"DoBit":      judgeBit(queries, func(m *message) bool { return m.edns != nil && m.edns.do }),
	"RdBit":      judgeBit(queries, func(m *message) bool { return m.flags&0x0100 != 0 }),
	"TcBit":      judgeBit(responses, func(m *message) bool { return m.flags&0x0200 != 0 }),
	"Ipv6RsnAbusers": judgeTable(scope(queries).and(func(m *message) bool {
		return m.asked && (m.qtype == 28 || m.qtype == 38) && m.under("root-servers.net.") && len(m.labels) > 2
	}), func(m *message) []string { return []string{address(m.client())} }),
	"TransportVSQtype":       judgeTables(queries, asked(func(m *message) []string { return []string{m.transport, code(m.qtype)} })),
	"DnsIpVersionVSQtype":    judgeTables(queries, asked(func(m *message) []string { return []string{version(m.source), code(m.qtype)} })),
	"DirectionVSIpproto":     judgeDirections,
	"TrafficSizesQueries":    judgeTables(queries, func(m *message) []string { return []string{m.transport, strconv.Itoa(m.size)} }),
	"TrafficSizesResponses":  judgeTables(responses, func(m *message) []string { return []string{m.transport, strconv.Itoa(m.size)} }),
	"TrafficVolumeQueries":   judgeListings([]string{"IPv4", "IPv6"}, queries, func(m *message) []string { return []string{m.transport, version(m.source)} }),
	"TrafficVolumeResponses": judgeListings([]string{"IPv4", "IPv6"}, responses, func(m *message) []string { return []string{m.transport, version(m.source)} }),
	"ClientPortRange":        judgeRanges(1024, queries, func(m *message) []string { return []string{strconv.Itoa(m.clientPort())} }),
	"CountryCode": func(c *capt, p reduce.Params) verdict {
		return judgeTable(queries, func(m *message) []string { return []string{c.place(m.client()).country} })(c, p)
	},
	"AsnAll": func(c *capt, p reduce.Params) verdict {
		return judgeTables(queries, func(m *message) []string {
			return []string{version(m.source), strconv.Itoa(int(c.place(m.client()).asn))}
		})(c, p)
	},
	"SecondLdVSRcode": judgeTables(responses, asked(func(m *message) []string { return []string{code(m.rcode()), m.last(2)} })),
	"ThirdLdVSRcode":  judgeTables(responses, asked(func(m *message) []string { return []string{code(m.rcode()), m.last(3)} })),
	"ResponseTime": judgeTable(func(m *message) bool { return m.answered || m.stray || m.timeout },
		func(m *message) []string { return []string{m.latencyBucket()} }),
	"LabelCount": judgeTable(messages, asked(func(m *message) []string { return []string{strconv.Itoa(len(m.labels))} })),
	"Encryption": judgeListing([]string{"udp", "tcp", "dot", "doh", "doq", "dnscrypt"}, queries, func(m *message) []string { return []string{m.transport} }),
	"PrimingQueries": func(c *capt, p reduce.Params) verdict {
		t := c.traffic.tabulate(scope(queries).and((*message).priming), func(m *message) []string { return []string{m.transport, m.payload()} })
		return verdict{data: t.ranges(512).by2(p.Top)}
	},
	"PrimingResponses": judgeTable(scope(responses).and((*message).priming), func(m *message) []string { return []string{strconv.Itoa(m.size)} }),
	"QrAaBits": func(c *capt, p reduce.Params) verdict {
		return judgeListings([]string{"qr=0,aa=0", "qr=0,aa=1", "qr=1,aa=0", "qr=1,aa=1"}, messages, func(m *message) []string {
			return []string{c.direction(m.source, m.dest), fmt.Sprintf("qr=%d,aa=%d", m.flags>>15&1, m.flags>>10&1)}
		})(c, p)
	},
	"ServfailQname": judgeTable(scope(responses).and(func(m *message) bool { return m.rcode() == 2 }), (*message).byName),
	"AdQname":       judgeTable(scope(responses).and(func(m *message) bool { return m.flags&0x0020 != 0 }), (*message).byName),
	"PcapStats":     judgePcapStats,
}

// asked leaves out messages without a question.
func asked(f func(m *message) []string) func(m *message) []string {
	return func(m *message) []string {
		if !m.asked {
			return nil
		}
		return f(m)
	}
}

// judgeTables judges a table by two keys.
func judgeTables(in scope, f func(m *message) []string) judge { return judgeListings(nil, in, f) }

// judgeListings judges a table by two keys, of which the inner ones are always
// there.
func judgeListings(keys []string, in scope, f func(m *message) []string) judge {
	return func(c *capt, p reduce.Params) verdict {
		t := c.traffic.tabulate(in, f).listing(keys...)
		return verdict{data: t.by2(p.Top), keyless: t.keyless}
	}
}

// judgeListing judges a table by one key, of which these are always there.
func judgeListing(keys []string, in scope, f func(m *message) []string) judge {
	return func(c *capt, p reduce.Params) verdict {
		t := c.traffic.tabulate(in, f).listing(keys...)
		return verdict{data: t.by1(p.Top), keyless: t.keyless}
	}
}

// judgeRanges judges a table by ranges of a number.
func judgeRanges(width int, in scope, f func(m *message) []string) judge {
	return func(c *capt, p reduce.Params) verdict {
		return verdict{data: c.traffic.tabulate(in, f).ranges(width).by1(p.Top)}
	}
}

func judgeBit(in scope, set func(m *message) bool) judge {
	return judgeListing([]string{"set", "clr"}, in, func(m *message) []string {
		if set(m) {
			return []string{"set"}
		}
		return []string{"clr"}
	})
}

// payload is the UDP payload size of EDNS.
func (m *message) payload() string {
	if m.edns == nil {
		return "None"
	}
	return strconv.Itoa(m.edns.udp)
}

func (m *message) idn() bool {
	return m.asked && slices.ContainsFunc(m.labels, func(l string) bool { return strings.HasPrefix(folded(l), "xn--") })
}

func (m *message) priming() bool { return m.asked && m.qtype == 2 && len(m.labels) == 0 }

var rootServerName = regexp.MustCompile(`^[a-m]\.root-servers\.net\.$`)

func (m *message) certain() string {
	switch name := m.qname; {
	case name == "localhost.":
		return "localhost"
	case rootServerName.MatchString(name):
		return "X.root-servers.net"
	}
	return "else"
}

// tlds are those of the project's list.
var tlds = func() map[string]bool {
	b, err := os.ReadFile("../tlds.txt")
	if err != nil {
		panic(err)
	}
	list := make(map[string]bool)
	for line := range strings.Lines(string(b)) {
		list[strings.ToLower(strings.TrimSpace(line))] = true
	}
	return list
}()

// assigned are the ranges of QTYPEs that IANA's registry assigns, but for 0,
// which is reserved.
var assigned = [][2]int{{1, 53}, {55, 68}, {99, 109}, {128, 128}, {249, 264}, {32768, 32769}}

var (
	dotted  = regexp.MustCompile(`^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.$`)
	private = regexp.MustCompile(`(^|\.)(10|(1[6-9]|2[0-9]|3[01])\.172|168\.192)\.in-addr\.arpa\.$`)
)

// class is the first that holds of what is strange in a query, or empty.
func (m *message) class() string {
	switch {
	case m.malformed:
		return "malformed"
	case m.sport == 0:
		return "src-port-zero"
	case !m.asked:
		return ""
	}
	name := m.qname
	isAddress := dotted.MatchString(name)
	for _, n := range dotted.FindStringSubmatch(name) {
		if v, err := strconv.Atoi(n); err == nil && v > 255 {
			isAddress = false
		}
	}
	switch {
	case !slices.Contains([]int{1, 3, 4, 254, 255}, m.qclass):
		return "funny-qclass"
	case !slices.ContainsFunc(assigned, func(r [2]int) bool { return m.qtype >= r[0] && m.qtype <= r[1] }):
		return "funny-qtype"
	case m.qtype == 1 && isAddress:
		return "a-for-a"
	case m.qtype == 1 && name == ".":
		return "a-for-root"
	case m.under("localhost."):
		return "localhost"
	case m.under("root-servers.net."):
		return "root-servers.net"
	case name != "." && !tlds[m.tld()]:
		return "non-auth-tld"
	case m.qtype == 12 && private.MatchString(name):
		return "rfc1918-ptr"
	}
	return "ok"
}

// latencyBucket is the upper bound in microseconds, in steps of 1, 2 and 5.
func (m *message) latencyBucket() string {
	switch {
	case m.timeout:
		return "timeout"
	case m.stray:
		return "no query"
	}
	for n := int64(1); ; n *= 10 {
		for _, step := range []int64{1, 2, 5} {
			if m.latency <= n*step*1000 {
				return strconv.FormatInt(n*step, 10)
			}
		}
	}
}

// place is what the file says of an address: of the longest prefix, of which the
// captures have one.
func (c *capt) place(a netip.Addr) place {
	for network, p := range c.places {
		if netip.MustParsePrefix(network).Contains(a) {
			return p
		}
	}
	return place{country: "??"}
}

// direction is by the server's own addresses.
func (c *capt) direction(source, dest netip.Addr) string {
	switch {
	case slices.Contains(c.servers, source.String()):
		return "sent"
	case slices.Contains(c.servers, dest.String()):
		return "recv"
	}
	return "else"
}

func judgeDirections(c *capt, _ reduce.Params) verdict {
	words := map[int]string{1: "icmp", 6: "tcp", 17: "udp"}
	t := &table{rows: make(map[[2]string]uint64)}
	for _, f := range c.traffic.frames {
		if f.source.IsValid() {
			word := words[f.protocol]
			if word == "" {
				word = strconv.Itoa(f.protocol)
			}
			t.rows[[2]string{c.direction(f.source, f.dest), word}]++
		}
	}
	return verdict{data: t.by2(0)}
}

func judgePcapStats(c *capt, _ reduce.Params) verdict {
	n := map[string]int{"received": len(c.traffic.frames), "dropped": 0, "not_dns": 0, "decoded": 0, "malformed": 0}
	for _, f := range c.traffic.frames {
		if !f.fragment && f.sport != 53 && f.dport != 53 || f.short {
			n["not_dns"]++
		}
	}
	for _, m := range c.traffic.messages {
		if m.malformed {
			n["malformed"]++
		} else {
			n["decoded"]++
		}
	}
	return verdict{data: object{"capture": n}}
}

package golden

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// fields are what tshark tells of each frame, in the order of its columns.
var fields = []string{
	"frame.number", "frame.time_epoch", "frame.protocols", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "ip.proto",
	"ipv6.nxt", "ipv6.hopopts.nxt", "ipv6.fraghdr.nxt", "ip.flags.mf", "ip.frag_offset",
	"udp.srcport", "udp.dstport", "tcp.srcport", "tcp.dstport", "udp.length", "udp.payload", "tcp.payload", "tcp.reassembled.data",
	"dns.length", "dns.id", "dns.flags", "dns.count.queries", "dns.count.answers", "dns.count.auth_rr", "dns.count.add_rr",
	"dns.count.zones", "dns.count.prerequisites", "dns.count.updates", "dns.qry.name", "dns.qry.type", "dns.qry.class",
	"dns.resp.type", "dns.rr.udp_payload_size", "dns.resp.ext_rcode", "dns.resp.edns0_version", "dns.resp.z.do",
	"dns.opt.code", "dns.opt.data", "_ws.malformed",
}

// A frame is what the wire carried.
type frame struct {
	source, dest netip.Addr // of the outermost IP header, else not valid
	protocol     int        // of IP, behind extension headers
	sport, dport int        // of UDP or TCP that is not quoted, else 0
	fragment     bool
	short        bool // a UDP datagram of fewer than twelve octets
}

// A message is one of DNS, as tshark reads it.
type message struct {
	frame        int // the one that completes it, the first is 1
	time         int64
	source, dest netip.Addr
	sport, dport int
	transport    string
	size         int
	id, flags    int
	counts       [4]int // of the header: questions, answers, authority, additional
	// The first question, where it can be read. The octets of the labels are as
	// asked.
	asked         bool
	labels        []string
	name, qname   string // in presentation form as asked, and as a key
	qtype, qclass int
	types         [4][]int // of the records of each section; the first is not used
	edns          *edns
	malformed     bool
	match
}

// edns is the first OPT record.
type edns struct {
	version, udp, upper int
	do                  bool
	options             []option
}

type option struct {
	code int
	data []byte
}

// traffic is a capture as tshark reads it.
type traffic struct {
	frames   []frame
	messages []*message
	alone    []*message // queries that had no response in time
	known    map[string]int
}

// What tshark reads otherwise than we do, and why; each capture says how often.
const (
	// Fewer than twelve octets are DNS for tshark; RFC 1035 §4.1.1 has no such
	// message.
	knownShort = "fewer than twelve octets"
	// An ICMP error quotes the packet that it is about, which was sent elsewhere
	// and is counted there.
	knownQuoted = "quoted by ICMP"
	// tshark puts a remark in place of a name that it cannot read and goes on
	// behind it; for us what stands there cannot be read either.
	knownName = "a name that cannot be read"
	// For tshark a second OPT record is one more; RFC 6891 §6.1.1 says FORMERR.
	knownTwoOPT = "two OPT records"
	// Not tshark's but the catalogue's: the client is the destination of a
	// response, says it, but when a response is sent to a server, which is that
	// of port 53, the client is who sent it.
	knownSide = "a response to port 53"
)

// listen runs tshark over a capture.
func listen(t testing.TB, path string) *traffic {
	t.Helper()
	args := []string{"-n", "-r", path, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=" + several}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out, err := exec.Command(program(t, "tshark"), args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	tr := &traffic{known: make(map[string]int)}
	for line := range strings.Lines(string(out)) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(cells) != len(fields) {
			t.Fatalf("tshark: %d fields in %q", len(cells), line)
		}
		r := row{t: t, cells: make(map[string][]string)}
		for i, c := range cells {
			if c != "" {
				r.cells[fields[i]] = strings.Split(c, several)
			}
		}
		tr.frame(r)
	}
	tr.matchAll()
	return tr
}

// several stands between the values that a field has in one frame.
const several = "\x1e"

// A row has the values of the fields of one frame.
type row struct {
	t     testing.TB
	cells map[string][]string
}

// at is the value at i, negative from the end, or empty.
func (r row) at(field string, i int) string {
	list := r.cells[field]
	if i < 0 {
		i += len(list)
	}
	if i < 0 || i >= len(list) {
		return ""
	}
	return list[i]
}

// number is the value at i, 0 where there is none.
func (r row) number(field string, i int) int {
	s := r.at(field, i)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		r.t.Fatalf("frame %s: %s is %q", r.at("frame.number", 0), field, s)
	}
	return int(n)
}

// numbers are all values.
func (r row) numbers(field string) (list []int) {
	for i := range r.cells[field] {
		list = append(list, r.number(field, i))
	}
	return list
}

// octets is the value at i as octets.
func (r row) octets(field string, i int) []byte {
	s := r.at(field, i)
	if s == "<MISSING>" { // an option without data
		return nil
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		r.t.Fatalf("frame %s: %s is %q", r.at("frame.number", 0), field, s)
	}
	return b
}

func (r row) addr(fields ...string) (a netip.Addr) {
	for _, f := range fields {
		if s := r.at(f, 0); s != "" {
			var err error
			if a, err = netip.ParseAddr(s); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	return a
}

// frame takes the next frame.
func (tr *traffic) frame(r row) {
	protocols := ":" + r.at("frame.protocols", 0) + ":"
	quoted := strings.Contains(protocols, ":icmp:") || strings.Contains(protocols, ":icmpv6:")
	f := frame{source: r.addr("ip.src", "ipv6.src"), dest: r.addr("ip.dst", "ipv6.dst"), protocol: r.number("ip.proto", 0)}
	for _, field := range []string{"ipv6.nxt", "ipv6.hopopts.nxt", "ipv6.fraghdr.nxt"} {
		if len(r.cells[field]) > 0 && r.at("ip.src", 0) == "" {
			f.protocol = r.number(field, 0)
		}
	}
	f.fragment = len(r.cells["ipv6.fraghdr.nxt"]) > 0 || r.number("ip.frag_offset", 0) > 0 || r.at("ip.flags.mf", 0) == "1"
	udp := len(r.cells["udp.srcport"]) > 0
	if !quoted {
		f.sport = r.number("udp.srcport", 0) + r.number("tcp.srcport", 0)
		f.dport = r.number("udp.dstport", 0) + r.number("tcp.dstport", 0)
		f.short = udp && r.number("udp.length", 0)-8 < 12
	}
	tr.frames = append(tr.frames, f)
	at := places{}
	found := max(len(r.cells["dns.id"]), strings.Count(protocols, ":dns:"))
	if quoted {
		tr.known[knownQuoted] += found
		return
	}
	for i := range found {
		m := tr.message(r, f, i, &at)
		if types := recordTypes(r.numbers("dns.resp.type")); i == found-1 && at.records != len(types) && !m.malformed {
			r.t.Fatalf("frame %d: tshark has %d records, the header %d", m.frame, len(types), at.records)
		}
		if m.size < 12 {
			tr.known[knownShort]++
			continue
		}
		if m.fromServer() != m.response() {
			tr.known[knownSide]++
		}
		tr.messages = append(tr.messages, m)
	}
}

// places are how many values of a field belong to the messages before, where a
// frame has several.
type places struct{ questions, records, opts int }

// message is the one at i of those in a frame.
func (tr *traffic) message(r row, f frame, i int, at *places) *message {
	m := &message{
		frame: len(tr.frames), time: nanoseconds(r, r.at("frame.time_epoch", 0)), source: f.source, dest: f.dest, sport: f.sport, dport: f.dport,
		id: r.number("dns.id", i), flags: r.number("dns.flags", i),
	}
	if m.transport = "tcp"; len(r.cells["udp.srcport"]) > 0 {
		m.transport, m.size = "udp", r.number("udp.length", 0)-8
	} else {
		m.size = r.number("dns.length", i)
	}
	// UPDATE has other words for its sections (RFC 2136 §2).
	for section, words := range [4][2]string{
		{"dns.count.queries", "dns.count.zones"}, {"dns.count.answers", "dns.count.prerequisites"},
		{"dns.count.auth_rr", "dns.count.updates"}, {"dns.count.add_rr"},
	} {
		m.counts[section] = r.number(words[0], i)
		if words[1] != "" && len(r.cells[words[0]]) == 0 {
			m.counts[section] = r.number(words[1], i)
		}
	}
	m.malformed = len(r.cells["_ws.malformed"]) > 0
	names := r.cells["dns.qry.name"]
	names = names[min(at.questions, len(names)):]
	unread := slices.ContainsFunc(names[:min(m.counts[0], len(names))], func(name string) bool {
		return name == "<Name too long>" || name == "<Name contains a pointer that loops>"
	})
	if len(names) > 0 && !unread && m.counts[0] > 0 && at.questions < len(r.cells["dns.qry.class"]) {
		m.asked, m.qtype, m.qclass = true, r.number("dns.qry.type", at.questions), r.number("dns.qry.class", at.questions)
		m.labels = labelsOf(r, m, names[0])
		m.name = nameOf(m.labels)
		m.qname = folded(m.name)
	}
	if unread {
		m.malformed = true
		tr.known[knownName]++
		return m
	}
	at.questions += m.counts[0]
	types := recordTypes(r.numbers("dns.resp.type"))
	opts := 0
	for section := 1; section < 4; section++ {
		for range m.counts[section] {
			if at.records >= len(types) {
				if !m.malformed {
					r.t.Fatalf("frame %d: tshark has %d records, the header more", m.frame, len(types))
				}
				break
			}
			m.types[section] = append(m.types[section], types[at.records])
			if types[at.records] == 41 {
				opts++
			}
			at.records++
		}
	}
	if opts > 0 && at.opts < len(r.cells["dns.resp.z.do"]) {
		m.edns = &edns{
			version: r.number("dns.resp.edns0_version", at.opts), udp: r.number("dns.rr.udp_payload_size", at.opts),
			upper: r.number("dns.resp.ext_rcode", at.opts), do: r.at("dns.resp.z.do", at.opts) == "1",
		}
		for j := range r.cells["dns.opt.code"] {
			m.edns.options = append(m.edns.options, option{r.number("dns.opt.code", j), r.octets("dns.opt.data", j)})
		}
		if len(m.edns.options) > 0 && len(r.cells["dns.id"]) > 1 {
			r.t.Fatalf("frame %d: options of several messages, which tshark does not tell apart", m.frame)
		}
		at.opts += opts
	}
	if opts > 1 {
		m.malformed = true
		tr.known[knownTwoOPT]++
	}
	return m
}

// recordTypes are the types of records out of all that tshark calls so: those of
// the bit maps of NSEC and NSEC3, which ascend, are left out.
func recordTypes(all []int) (types []int) {
	for i := 0; i < len(all); {
		types = append(types, all[i])
		if i++; all[i-1] == 47 || all[i-1] == 50 {
			for last := 0; i < len(all) && all[i] > last; i++ {
				last = all[i]
			}
		}
	}
	return types
}

func nanoseconds(r row, s string) int64 {
	whole, part, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole+part, 10, 64)
	if err != nil || len(part) != 9 {
		r.t.Fatalf("time %q", s)
	}
	return n
}

// labelsOf are the labels of the first question. tshark's text does not tell
// all octets apart, so they are read from the octets of the message that it
// shows; without these the text has to be plain.
func labelsOf(r row, m *message, text string) (labels []string) {
	header := fmt.Sprintf("%04x%04x", m.id, m.flags)
	for _, field := range []string{"udp.payload", "tcp.reassembled.data", "tcp.payload"} {
		b := r.octets(field, 0)
		if field != "udp.payload" {
			b = b[min(2, len(b)):]
		}
		if len(b) < m.size || m.size < 12 || hex.EncodeToString(b[:4]) != header {
			continue
		}
		// A question before which there is no other name has no pointers.
		for b = b[12:]; b[0] > 0; b = b[1+b[0]:] {
			labels = append(labels, string(b[1:1+b[0]]))
		}
		return labels
	}
	if text == "<Root>" {
		return nil
	}
	for _, c := range []byte(text) {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", rune(c)) {
			r.t.Fatalf("frame %d: no octets of the name %q", m.frame, text)
		}
	}
	return strings.Split(text, ".")
}

package reduce

import (
	"bytes"

	"ratadns/dns"
	"ratadns/speedy"
)

// queryClasses are what is strange in a query, as DSC tells it, in the order in
// which they are looked for; the last are ordinary.
var queryClasses = []string{
	"malformed", "src-port-zero", "funny-qclass", "funny-qtype", "a-for-a", "a-for-root", "localhost",
	"root-servers.net", "non-auth-tld", "rfc1918-ptr", "ok",
}

// The places in queryClasses.
const (
	classMalformed = iota
	classPortZero
	classFunnyClass
	classFunnyType
	classAForA
	classAForRoot
	classLocalhost
	classRootServers
	classNonAuthTLD
	classPrivatePTR
	classOK
)

// queryClass is the first class that holds; a response has none.
func (e *Event) queryClass() (uint32, bool) {
	if e.QR() {
		return 0, false
	}
	if e.Malformed != 0 {
		return classMalformed, true
	}
	if e.Has&speedy.FieldPorts != 0 && e.SourcePort == 0 {
		return classPortZero, true
	}
	q := e.Question()
	if q == nil {
		return 0, false
	}
	switch q.Qclass {
	case dns.ClassIN, dns.ClassCH, dns.ClassHS, dns.ClassNONE, dns.ClassANY:
	default:
		return classFunnyClass, true
	}
	root := len(e.Qname()) == 1
	switch {
	case !dns.TypeAssigned(q.Qtype):
		return classFunnyType, true
	case q.Qtype == dns.TypeA && isIPv4(e.Qname()):
		return classAForA, true
	case q.Qtype == dns.TypeA && root:
		return classAForRoot, true
	case e.under("localhost."):
		return classLocalhost, true
	case e.under("root-servers.net."):
		return classRootServers, true
	case !root && !e.Facts.isTLD(e.label(e.labels().n-1)):
		return classNonAuthTLD, true
	case q.Qtype == dns.TypePTR && e.privateReverse():
		return classPrivatePTR, true
	}
	return classOK, true
}

// isIPv4 reports whether a name is an address in dotted decimal with a dot
// behind it. Zeros in front are not looked at.
func isIPv4(name []byte) bool {
	numbers, digits, value := 0, 0, 0
	for _, c := range name {
		switch {
		case c-'0' <= 9:
			digits++
			if value = value*10 + int(c-'0'); value > 255 || digits > 3 {
				return false
			}
		case c == '.' && digits > 0:
			numbers++
			digits, value = 0, 0
		default:
			return false
		}
	}
	return numbers == 4
}

// privateReverse reports whether the QNAME is in the reverse zone of a private
// network (RFC 1918): 10, 172.16 to 172.31, 192.168.
func (e *Event) privateReverse() bool {
	switch p := e.labels(); {
	case !e.under("in-addr.arpa.") || p.n < 3:
		return false
	case string(e.label(p.n-3)) == "10":
		return true
	case p.n < 4:
		return false
	case string(e.label(p.n-3)) == "192":
		return string(e.label(p.n-4)) == "168"
	case string(e.label(p.n-3)) == "172":
		l := e.label(p.n - 4)
		return len(l) == 2 && (l[0] == '1' && l[1] >= '6' && l[1] <= '9' || l[0] == '2' && l[1]-'0' <= 9 || l[0] == '3' && l[1] <= '1' && l[1] >= '0')
	}
	return false
}

// certainName tells names that resolvers ask by mistake from others.
func (e *Event) certainName() (uint32, bool) {
	if e.Question() == nil {
		return 0, false
	}
	name := e.Qname()
	switch {
	case string(name) == "localhost.":
		return 0, true
	case len(name) > 0 && name[0]-'a' <= 'm'-'a' && bytes.Equal(name[1:], []byte(".root-servers.net.")):
		return 1, true
	}
	return 2, true
}

// classFields are those that sort queries by what is strange in them.
var classFields = []Field{
	{
		Name: "query_class", Doc: "what is strange in the query, the first that holds", Kind: Choice, Of: Queries, small: true, zeros: true,
		words: queryClasses, number: (*Event).queryClass,
	},
	{
		Name: "certain_qname", Doc: "localhost, a root server's name (the letter as X), or else", Kind: Choice, ofQname: true, small: true, zeros: true,
		words: []string{"localhost", "X.root-servers.net", "else"}, number: (*Event).certainName,
	},
}

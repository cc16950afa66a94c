package reduce

import "ratadns/dns"

// The filters of the catalogue.

func (e *Event) authentic() bool { return e.Flags&0x0020 != 0 }

func (e *Event) hasNSID() bool { return len(e.option(dns.OptionNSID)) > 0 }

func (e *Event) hasECS() bool { return e.option(dns.OptionClientSubnet) != nil }

func (e *Event) hasEDE() bool { return e.option(dns.OptionExtendedError) != nil }

func (e *Event) chaos() bool {
	q := e.Question()
	return q != nil && q.Qclass == dns.ClassCH
}

// usualType tells the QTYPEs of which DSC tells the top-level domains.
func (e *Event) usualType() bool {
	q := e.Question()
	if q == nil {
		return false
	}
	switch q.Qtype {
	case dns.TypeA, dns.TypeNS, dns.TypeCNAME, dns.TypeSOA, dns.TypePTR, dns.TypeMX, dns.TypeAAAA, dns.TypeSRV, dns.TypeA6, dns.TypeANY:
		return true
	}
	return false
}

// rootServerIPv6 tells queries for an IPv6 address under root-servers.net.
func (e *Event) rootServerIPv6() bool {
	q := e.Question()
	return q != nil && (q.Qtype == dns.TypeAAAA || q.Qtype == dns.TypeA6) &&
		e.under("root-servers.net.") && e.labels().n > 2
}

// priming tells queries for the root's name servers, and their responses (RFC
// 8109).
func (e *Event) priming() bool {
	q := e.Question()
	return q != nil && q.Qtype == dns.TypeNS && q.NameLen == 1
}

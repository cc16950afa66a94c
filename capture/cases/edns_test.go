package cases

import (
	"fmt"

	judge "github.com/miekg/dns"
)

// edns are OPT records and their options.
func edns() []capt {
	www := dnsName("www.example.org.")
	with := func(id, flags uint16, upper uint32, options ...[]byte) []byte {
		return dns(id, flags, list{question(www, tA, 1)}, nil, nil, list{opt(upper, options...)})
	}
	subnet := func(family uint16, source, scope byte, address ...byte) []byte {
		return option(8, string(cat(u16(family), []byte{source, scope}, address)))
	}
	two := list{opt(0), opt(0)}
	return []capt{
		{"edns.pcap", "no option, DO, version 1, the largest size", each(with(1, fRD, 0), with(2, fRD, 0x8000), with(3, fRD, 1<<16),
			dns(4, fRD, list{question(www, tA, 1)}, nil, nil, list{record([]byte{0}, tOPT, 65535, 0x7fff, nil)}))},
		{"edns-ecs.pcap", "Client Subnet: IPv4 /24, IPv6 /56, /0, with a scope, a family that is not known, address too long, option too short", each(
			with(1, fRD, 0, subnet(1, 24, 0, 203, 0, 113)), with(2, fRD, 0, subnet(2, 56, 0, 0x20, 1, 0x0d, 0xb8, 0, 0, 1)), with(3, fRD, 0, subnet(1, 0, 0)),
			with(4, fQR, 0, subnet(1, 24, 16, 203, 0, 113)), with(5, fRD, 0, subnet(3, 8, 0, 1)), with(6, fRD, 0, subnet(1, 8, 0, 203, 0)), with(7, fRD, 0, option(8, "\x00\x01\x18")))},
		{"edns-cookie.pcap", "cookies: client's, client's and server's, too short", each(
			with(1, fRD, 0, option(10, "12345678")), with(1, fQR, 0, option(10, "12345678abcdefghijklmnop")), with(2, fRD, 0, option(10, "123")))},
		{"edns-nsid.pcap", "NSID asked and told", each(with(1, fRD, 0, option(3, "")), with(1, fQR, 0, option(3, "ns1.example.org")))},
		{"edns-ede.pcap", "extended errors without and with a text", each(with(1, fQR|2, 0, option(15, "\x00\x06")), with(2, fQR|2, 0, option(15, "\x00\x16text \xc3\xa9")))},
		{"edns-padding.pcap", "padding, of no octets and of 100", each(with(1, fRD, 0, option(12, "")), with(2, fRD, 0, option(12, string(make([]byte, 100)))))},
		{"edns-keepalive.pcap", "TCP keepalive, chain, expire, key tag, report channel", each(
			with(1, fRD, 0, option(11, "")), with(1, fQR, 0, option(11, "\x00\x64")), with(2, fRD, 0, option(13, string(dnsName("org.")))),
			with(3, fRD, 0, option(9, "")), with(4, fRD, 0, option(14, "\x4f\x66")), with(5, fQR, 0, option(18, string(dnsName("report.example.org.")))))},
		{"edns-unknown.pcap", "options without an assignment, several in one record", each(
			with(1, fRD, 0, option(65001, "\x01\x02"), option(10, "12345678"), option(0, ""), option(65535, "x")))},
		{"edns-badvers.pcap", "extended RCODEs: BADVERS, BADCOOKIE, 4095", each(with(1, fQR, 1<<24), with(2, fQR|7, 1<<24), with(3, fQR|15, 0xff<<24))},
		{"edns-repeated.pcap", "OPT twice", each(dns(1, fRD, list{question(www, tA, 1)}, nil, nil, two))},
		{"edns-in-answer.pcap", "OPT in the answer section, and in the authority section", each(
			dns(1, fQR, list{question(www, tA, 1)}, list{opt(0x8000)}, nil, nil), dns(2, fQR, list{question(www, tA, 1)}, nil, list{opt(0)}, nil))},
		{"edns-owner.pcap", "OPT with an owner name", each(dns(1, fRD, list{question(www, tA, 1)}, nil, nil, list{record(pointer(12), tOPT, 1232, 0, nil)}))},
		{"edns-option-length.pcap", "an option longer than its record; half an option", each(
			with(1, fRD, 0, u16(10, 9), []byte("12345678")), with(2, fRD, 0, option(10, "12345678"), u16(3)))},
	}
}

// rdataTexts has one or two records of each type with a presentation form.
var rdataTexts = []string{
	`A 192.0.2.1`, `AAAA 2001:db8::1`, `NS ns1.example.org.`, `CNAME WWW.Example.org.`, `DNAME example.net.`, `PTR host.example.org.`,
	`MX 10 mail.example.org.`, `MX 0 .`, `SOA ns.example.org. host\.master.example.org. 4294967295 7200 3600 1209600 300`,
	`TXT "v=spf1 -all"`, `TXT "a\"b\\c\000\127\255;()\195\169"`, `SPF "v=spf1 -all"`, `HINFO "RFC8482" ""`, `RP admin.example.org. txt.example.org.`,
	`AFSDB 1 afs.example.org.`, `RT 10 relay.example.org.`, `KX 10 kx.example.org.`, `PX 10 a.example.org. b.example.org.`, `MINFO a.example.org. b.example.org.`,
	`SRV 10 60 5060 sip.example.org.`, `NAPTR 100 10 "U" "E2U+sip" "!^.*$!sip:info@example.org!" .`,
	`DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118`, `CDS 0 0 0 00`, `DLV 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118`,
	`DNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==`, `CDNSKEY 0 3 0 AA==`, `KEY 256 3 5 bWRzc3dV`,
	`RRSIG A 5 3 86400 20030322173103 20030220173103 2642 example.org. oJB1W6WNGv+ldvQ3WDG0MQ==`, `NSEC host.example.org. A MX RRSIG NSEC TYPE1234`,
	`NSEC3 1 1 12 AABBCCDD 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR NS SOA MX RRSIG DNSKEY NSEC3PARAM`, `NSEC3PARAM 1 0 12 AABBCCDD`,
	`CAA 0 issue "ca.example.net; account=230123"`, `TLSA 3 1 1 0B9FA5A59EED715C26C1020C711B4F6EC42D58B0015E14337A39DAD301C5AFC3`, `SMIMEA 3 0 0 AB`,
	`SSHFP 2 1 123456789ABCDEF67890123456789ABCDEF67890`, `SVCB 16 foo.example.org. alpn="h2,h3-19" ipv4hint=192.0.2.1`, `HTTPS 1 . alpn="h3,h2"`,
	`LOC 42 21 54.000 N 71 06 18.000 W -24m 30m 10000m 10m`, `URI 10 1 "ftp://ftp1.example.org/public"`, `CSYNC 66 3 A NS AAAA`,
	`ZONEMD 2018031900 1 1 62E6CF51B02E54B9B5F967D547CE43136792901F9F88E637493DAAF401C92C279DD10F0EDB1C56F8080211F8480EE306`,
	`OPENPGPKEY bWRzc3dV`, `DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=`, `EUI48 00-00-5e-00-53-2a`, `EUI64 00-00-5e-ef-10-00-00-2a`,
	`CERT 1 12345 8 bWRzc3dV`, `NID 10 0014:4fff:ff20:ee64`, `L32 10 10.1.2.0`, `L64 10 2001:0db8:1140:1000`, `LP 10 l64.example.org.`,
	`TALINK a.example.org. b.example.org.`, `TYPE65400 \# 2 0a0b`, `TYPE65400 \# 0`,
	`APL 1:192.0.2.0/24 !1:192.0.2.128/25 2:2001:db8::/32`,
	`HIP 2 200100107B1A74DF365639CC39F1D578 AwEAAbdxyhNuSutc rvs.example.org.`,
	`IPSECKEY 10 1 2 192.0.2.38 AQNRU3mG7TVT`,
	`AMTRELAY 10 0 3 relay.example.org.`,
}

// rdata are responses with one record each, made by another program's reading
// of the texts.
func rdata() (all list) {
	for i, text := range rdataTexts {
		rr, err := judge.NewRR("www.example.org. 60 IN " + text)
		if err != nil {
			panic(fmt.Sprint(text, ": ", err))
		}
		b := make([]byte, judge.MaxMsgSize)
		n, err := judge.PackRR(rr, b, 0, nil, false)
		if err != nil {
			panic(fmt.Sprint(text, ": ", err))
		}
		all = append(all, dns(uint16(i), fQR|fAA, list{question(dnsName("www.example.org."), rr.Header().Rrtype, 1)}, list{b[:n]}, nil, nil))
	}
	return all
}

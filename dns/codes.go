package dns

import "strconv"

// Code points and their mnemonics, as IANA registers them in "Domain Name
// System (DNS) Parameters", https://www.iana.org/assignments/dns-parameters,
// in the state of mid-2025. What is not assigned is written with its number:
// TYPE65400 and CLASS7 (RFC 3597 §5), and after their model RCODE77, OPCODE9,
// OPTION4 and EDE99.
//
// Each registry is one table; both directions are derived from it.

// RR TYPEs, the meta-types among them (RFC 6895 §3.1).
const (
	TypeA          = 1
	TypeNS         = 2
	TypeMD         = 3
	TypeMF         = 4
	TypeCNAME      = 5
	TypeSOA        = 6
	TypeMB         = 7
	TypeMG         = 8
	TypeMR         = 9
	TypeNULL       = 10
	TypeWKS        = 11
	TypePTR        = 12
	TypeHINFO      = 13
	TypeMINFO      = 14
	TypeMX         = 15
	TypeTXT        = 16
	TypeRP         = 17
	TypeAFSDB      = 18
	TypeX25        = 19
	TypeISDN       = 20
	TypeRT         = 21
	TypeNSAP       = 22
	TypeNSAPPTR    = 23
	TypeSIG        = 24
	TypeKEY        = 25
	TypePX         = 26
	TypeGPOS       = 27
	TypeAAAA       = 28
	TypeLOC        = 29
	TypeNXT        = 30
	TypeEID        = 31
	TypeNIMLOC     = 32
	TypeSRV        = 33
	TypeATMA       = 34
	TypeNAPTR      = 35
	TypeKX         = 36
	TypeCERT       = 37
	TypeA6         = 38
	TypeDNAME      = 39
	TypeSINK       = 40
	TypeOPT        = 41
	TypeAPL        = 42
	TypeDS         = 43
	TypeSSHFP      = 44
	TypeIPSECKEY   = 45
	TypeRRSIG      = 46
	TypeNSEC       = 47
	TypeDNSKEY     = 48
	TypeDHCID      = 49
	TypeNSEC3      = 50
	TypeNSEC3PARAM = 51
	TypeTLSA       = 52
	TypeSMIMEA     = 53
	TypeHIP        = 55
	TypeNINFO      = 56
	TypeRKEY       = 57
	TypeTALINK     = 58
	TypeCDS        = 59
	TypeCDNSKEY    = 60
	TypeOPENPGPKEY = 61
	TypeCSYNC      = 62
	TypeZONEMD     = 63
	TypeSVCB       = 64
	TypeHTTPS      = 65
	TypeDSYNC      = 66
	TypeHHIT       = 67
	TypeBRID       = 68
	TypeSPF        = 99
	TypeUINFO      = 100
	TypeUID        = 101
	TypeGID        = 102
	TypeUNSPEC     = 103
	TypeNID        = 104
	TypeL32        = 105
	TypeL64        = 106
	TypeLP         = 107
	TypeEUI48      = 108
	TypeEUI64      = 109
	TypeNXNAME     = 128
	TypeTKEY       = 249
	TypeTSIG       = 250
	TypeIXFR       = 251
	TypeAXFR       = 252
	TypeMAILB      = 253
	TypeMAILA      = 254
	TypeANY        = 255
	TypeURI        = 256
	TypeCAA        = 257
	TypeAVC        = 258
	TypeDOA        = 259
	TypeAMTRELAY   = 260
	TypeRESINFO    = 261
	TypeWALLET     = 262
	TypeCLA        = 263
	TypeIPN        = 264
	TypeTA         = 32768
	TypeDLV        = 32769
)

// DNS CLASSes (RFC 6895 §3.2).
const (
	ClassIN   = 1
	ClassCH   = 3
	ClassHS   = 4
	ClassNONE = 254
	ClassANY  = 255
)

// Response codes, of twelve bits with EDNS (RFC 6895 §2.3).
const (
	RcodeNOERROR   = 0
	RcodeFORMERR   = 1
	RcodeSERVFAIL  = 2
	RcodeNXDOMAIN  = 3
	RcodeNOTIMP    = 4
	RcodeREFUSED   = 5
	RcodeYXDOMAIN  = 6
	RcodeYXRRSET   = 7
	RcodeNXRRSET   = 8
	RcodeNOTAUTH   = 9
	RcodeNOTZONE   = 10
	RcodeDSOTYPENI = 11
	RcodeBADVERS   = 16
	RcodeBADKEY    = 17
	RcodeBADTIME   = 18
	RcodeBADMODE   = 19
	RcodeBADNAME   = 20
	RcodeBADALG    = 21
	RcodeBADTRUNC  = 22
	RcodeBADCOOKIE = 23
)

// Opcodes (RFC 6895 §2.2).
const (
	OpcodeQUERY  = 0
	OpcodeIQUERY = 1
	OpcodeSTATUS = 2
	OpcodeNOTIFY = 4
	OpcodeUPDATE = 5
	OpcodeDSO    = 6
)

// EDNS option codes (RFC 6891 §9).
const (
	OptionLLQ           = 1
	OptionUpdateLease   = 2
	OptionNSID          = 3
	OptionDAU           = 5
	OptionDHU           = 6
	OptionN3U           = 7
	OptionClientSubnet  = 8
	OptionExpire        = 9
	OptionCookie        = 10
	OptionTCPKeepalive  = 11
	OptionPadding       = 12
	OptionChain         = 13
	OptionKeyTag        = 14
	OptionExtendedError = 15
	OptionClientTag     = 16
	OptionServerTag     = 17
	OptionReportChannel = 18
	OptionZoneVersion   = 19
	OptionUmbrellaIdent = 20292
	OptionDeviceID      = 26946
)

var types = newRegistry("TYPE", 65535, []code{
	{TypeA, "A"}, {TypeNS, "NS"}, {TypeMD, "MD"}, {TypeMF, "MF"}, {TypeCNAME, "CNAME"},
	{TypeSOA, "SOA"}, {TypeMB, "MB"}, {TypeMG, "MG"}, {TypeMR, "MR"}, {TypeNULL, "NULL"},
	{TypeWKS, "WKS"}, {TypePTR, "PTR"}, {TypeHINFO, "HINFO"}, {TypeMINFO, "MINFO"}, {TypeMX, "MX"},
	{TypeTXT, "TXT"}, {TypeRP, "RP"}, {TypeAFSDB, "AFSDB"}, {TypeX25, "X25"}, {TypeISDN, "ISDN"},
	{TypeRT, "RT"}, {TypeNSAP, "NSAP"}, {TypeNSAPPTR, "NSAP-PTR"}, {TypeSIG, "SIG"}, {TypeKEY, "KEY"},
	{TypePX, "PX"}, {TypeGPOS, "GPOS"}, {TypeAAAA, "AAAA"}, {TypeLOC, "LOC"}, {TypeNXT, "NXT"},
	{TypeEID, "EID"}, {TypeNIMLOC, "NIMLOC"}, {TypeSRV, "SRV"}, {TypeATMA, "ATMA"}, {TypeNAPTR, "NAPTR"},
	{TypeKX, "KX"}, {TypeCERT, "CERT"}, {TypeA6, "A6"}, {TypeDNAME, "DNAME"}, {TypeSINK, "SINK"},
	{TypeOPT, "OPT"}, {TypeAPL, "APL"}, {TypeDS, "DS"}, {TypeSSHFP, "SSHFP"}, {TypeIPSECKEY, "IPSECKEY"},
	{TypeRRSIG, "RRSIG"}, {TypeNSEC, "NSEC"}, {TypeDNSKEY, "DNSKEY"}, {TypeDHCID, "DHCID"},
	{TypeNSEC3, "NSEC3"}, {TypeNSEC3PARAM, "NSEC3PARAM"}, {TypeTLSA, "TLSA"}, {TypeSMIMEA, "SMIMEA"},
	{TypeHIP, "HIP"}, {TypeNINFO, "NINFO"}, {TypeRKEY, "RKEY"}, {TypeTALINK, "TALINK"}, {TypeCDS, "CDS"},
	{TypeCDNSKEY, "CDNSKEY"}, {TypeOPENPGPKEY, "OPENPGPKEY"}, {TypeCSYNC, "CSYNC"}, {TypeZONEMD, "ZONEMD"},
	{TypeSVCB, "SVCB"}, {TypeHTTPS, "HTTPS"}, {TypeDSYNC, "DSYNC"}, {TypeHHIT, "HHIT"}, {TypeBRID, "BRID"},
	{TypeSPF, "SPF"}, {TypeUINFO, "UINFO"}, {TypeUID, "UID"}, {TypeGID, "GID"}, {TypeUNSPEC, "UNSPEC"},
	{TypeNID, "NID"}, {TypeL32, "L32"}, {TypeL64, "L64"}, {TypeLP, "LP"}, {TypeEUI48, "EUI48"},
	{TypeEUI64, "EUI64"}, {TypeNXNAME, "NXNAME"}, {TypeTKEY, "TKEY"}, {TypeTSIG, "TSIG"}, {TypeIXFR, "IXFR"},
	{TypeAXFR, "AXFR"}, {TypeMAILB, "MAILB"}, {TypeMAILA, "MAILA"}, {TypeANY, "ANY"}, {TypeANY, "*"},
	{TypeURI, "URI"}, {TypeCAA, "CAA"}, {TypeAVC, "AVC"}, {TypeDOA, "DOA"}, {TypeAMTRELAY, "AMTRELAY"},
	{TypeRESINFO, "RESINFO"}, {TypeWALLET, "WALLET"}, {TypeCLA, "CLA"}, {TypeIPN, "IPN"},
	{TypeTA, "TA"}, {TypeDLV, "DLV"},
})

var classes = newRegistry("CLASS", 65535, []code{
	{ClassIN, "IN"}, {ClassCH, "CH"}, {ClassHS, "HS"}, {ClassNONE, "NONE"}, {ClassANY, "ANY"}, {ClassANY, "*"},
})

// 16 is BADVERS in a message and BADSIG in a TSIG record (RFC 6895 §2.3).
var rcodes = newRegistry("RCODE", 4095, []code{
	{RcodeNOERROR, "NOERROR"}, {RcodeFORMERR, "FORMERR"}, {RcodeSERVFAIL, "SERVFAIL"},
	{RcodeNXDOMAIN, "NXDOMAIN"}, {RcodeNOTIMP, "NOTIMP"}, {RcodeREFUSED, "REFUSED"},
	{RcodeYXDOMAIN, "YXDOMAIN"}, {RcodeYXRRSET, "YXRRSET"}, {RcodeNXRRSET, "NXRRSET"},
	{RcodeNOTAUTH, "NOTAUTH"}, {RcodeNOTZONE, "NOTZONE"}, {RcodeDSOTYPENI, "DSOTYPENI"},
	{RcodeBADVERS, "BADVERS"}, {RcodeBADVERS, "BADSIG"}, {RcodeBADKEY, "BADKEY"}, {RcodeBADTIME, "BADTIME"},
	{RcodeBADMODE, "BADMODE"}, {RcodeBADNAME, "BADNAME"}, {RcodeBADALG, "BADALG"},
	{RcodeBADTRUNC, "BADTRUNC"}, {RcodeBADCOOKIE, "BADCOOKIE"},
})

var opcodes = newRegistry("OPCODE", 15, []code{
	{OpcodeQUERY, "QUERY"}, {OpcodeIQUERY, "IQUERY"}, {OpcodeSTATUS, "STATUS"},
	{OpcodeNOTIFY, "NOTIFY"}, {OpcodeUPDATE, "UPDATE"}, {OpcodeDSO, "DSO"},
})

// The names are spelt as the registry spells them; the second ones are what
// operators say.
var options = newRegistry("OPTION", 65535, []code{
	{OptionLLQ, "LLQ"}, {OptionUpdateLease, "Update Lease"}, {OptionUpdateLease, "UL"}, {OptionNSID, "NSID"},
	{OptionDAU, "DAU"}, {OptionDHU, "DHU"}, {OptionN3U, "N3U"},
	{OptionClientSubnet, "edns-client-subnet"}, {OptionClientSubnet, "ECS"},
	{OptionExpire, "EDNS EXPIRE"}, {OptionExpire, "EXPIRE"}, {OptionCookie, "COOKIE"},
	{OptionTCPKeepalive, "edns-tcp-keepalive"}, {OptionTCPKeepalive, "KEEPALIVE"},
	{OptionPadding, "Padding"}, {OptionChain, "CHAIN"}, {OptionKeyTag, "edns-key-tag"},
	{OptionExtendedError, "Extended DNS Error"}, {OptionExtendedError, "EDE"},
	{OptionClientTag, "EDNS-Client-Tag"}, {OptionServerTag, "EDNS-Server-Tag"},
	{OptionReportChannel, "Report-Channel"}, {OptionZoneVersion, "ZONEVERSION"},
	{OptionUmbrellaIdent, "Umbrella Ident"}, {OptionDeviceID, "DeviceID"},
})

// What the registry calls the purpose of an extended DNS error (RFC 8914 §5.2)
// is its name.
var extendedErrors = newRegistry("EDE", 65535, []code{
	{0, "Other Error"}, {1, "Unsupported DNSKEY Algorithm"}, {2, "Unsupported DS Digest Type"}, {3, "Stale Answer"},
	{4, "Forged Answer"}, {5, "DNSSEC Indeterminate"}, {6, "DNSSEC Bogus"}, {7, "Signature Expired"},
	{8, "Signature Not Yet Valid"}, {9, "DNSKEY Missing"}, {10, "RRSIGs Missing"}, {11, "No Zone Key Bit Set"},
	{12, "NSEC Missing"}, {13, "Cached Error"}, {14, "Not Ready"}, {15, "Blocked"}, {16, "Censored"},
	{17, "Filtered"}, {18, "Prohibited"}, {19, "Stale NXDomain Answer"}, {20, "Not Authoritative"},
	{21, "Not Supported"}, {22, "No Reachable Authority"}, {23, "Network Error"}, {24, "Invalid Data"},
	{25, "Signature Expired before Valid"}, {26, "Too Early"}, {27, "Unsupported NSEC3 Iterations Value"},
	{28, "Unable to conform to policy"}, {29, "Synthesized"}, {30, "Invalid Query Type"},
})

// TypeName is the mnemonic of an RR TYPE. Only for an unknown one does it
// allocate, here and in the functions like it.
func TypeName(t uint16) string { return types.name(t) }

// AppendTypeName appends the mnemonic of an RR TYPE.
func AppendTypeName(dst []byte, t uint16) []byte { return types.append(dst, t) }

// TypeByName is the RR TYPE of a mnemonic or of TYPE and a number, in any case.
func TypeByName(s string) (uint16, bool) { return types.byName(s) }

// TypeAssigned reports whether IANA has assigned t; private use is not.
func TypeAssigned(t uint16) bool { return types.known(t) != "" }

// ClassName is the mnemonic of a CLASS.
func ClassName(c uint16) string { return classes.name(c) }

// ClassByName is the CLASS of a mnemonic or of CLASS and a number, in any case.
func ClassByName(s string) (uint16, bool) { return classes.byName(s) }

// RcodeName is the mnemonic of a response code, see [Message.Rcode].
func RcodeName(r uint16) string { return rcodes.name(r) }

// AppendRcodeName appends the mnemonic of a response code.
func AppendRcodeName(dst []byte, r uint16) []byte { return rcodes.append(dst, r) }

// RcodeByName is the response code of a mnemonic or of RCODE and a number, in any case.
func RcodeByName(s string) (uint16, bool) { return rcodes.byName(s) }

// OpcodeName is the mnemonic of an opcode.
func OpcodeName(o uint8) string { return opcodes.name(uint16(o)) }

// OpcodeByName is the opcode of a mnemonic or of OPCODE and a number, in any case.
func OpcodeByName(s string) (uint8, bool) {
	o, ok := opcodes.byName(s)
	return uint8(o), ok
}

// OptionName is the registered name of an EDNS option.
func OptionName(o uint16) string { return options.name(o) }

// OptionByName is the EDNS option of a name or of OPTION and a number, in any case.
func OptionByName(s string) (uint16, bool) { return options.byName(s) }

// ExtendedErrorName is the registered purpose of an extended DNS error.
func ExtendedErrorName(c uint16) string { return extendedErrors.name(c) }

// ExtendedErrorByName is the extended DNS error of a purpose or of EDE and a
// number, in any case.
func ExtendedErrorByName(s string) (uint16, bool) { return extendedErrors.byName(s) }

// A code is an entry of a registry. Where a number has two, the first is its
// mnemonic and the others are understood as well.
type code struct {
	n        uint16
	mnemonic string
}

// A registry is looked up by number and by mnemonic.
type registry struct {
	prefix string // of an unknown code's number
	max    int
	small  []string // mnemonics of the codes below smallCodes, by code
	large  []code   // the few others
	names  map[string]uint16
}

// smallCodes holds every registered code but TA and DLV and two options.
const smallCodes = 512

// longestName is more than the longest mnemonic has octets.
const longestName = 40

func newRegistry(prefix string, max int, codes []code) *registry {
	r := &registry{prefix: prefix, max: max, names: make(map[string]uint16, len(codes))}
	for _, c := range codes {
		if c.n < smallCodes {
			for len(r.small) <= int(c.n) {
				r.small = append(r.small, "")
			}
			if r.small[c.n] == "" {
				r.small[c.n] = c.mnemonic
			}
		} else {
			r.large = append(r.large, c)
		}
		r.names[string(AppendLower(nil, []byte(c.mnemonic)))] = c.n
	}
	return r
}

// known is the mnemonic of n, or empty.
func (r *registry) known(n uint16) string {
	if int(n) < len(r.small) {
		return r.small[n]
	}
	for i := range r.large {
		if r.large[i].n == n {
			return r.large[i].mnemonic
		}
	}
	return ""
}

func (r *registry) name(n uint16) string {
	if s := r.known(n); s != "" {
		return s
	}
	return r.prefix + strconv.Itoa(int(n))
}

func (r *registry) append(dst []byte, n uint16) []byte {
	if s := r.known(n); s != "" {
		return append(dst, s...)
	}
	return strconv.AppendUint(append(dst, r.prefix...), uint64(n), 10)
}

func (r *registry) byName(s string) (uint16, bool) {
	if len(s) > longestName {
		return 0, false
	}
	var buf [longestName]byte
	low := buf[:copy(buf[:], s)]
	Lower(low)
	if n, ok := r.names[string(low)]; ok {
		return n, true
	}
	if len(s) <= len(r.prefix) || len(s) > len(r.prefix)+5 {
		return 0, false
	}
	for i := range r.prefix {
		if low[i] != r.prefix[i]+'a'-'A' {
			return 0, false
		}
	}
	n := 0
	for _, c := range low[len(r.prefix):] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return uint16(n), n <= r.max
}

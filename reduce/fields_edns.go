package reduce

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"ratadns/dns"
	"ratadns/speedy"
)

// lowOptions is more than every registered EDNS option but two of vendors'.
const lowOptions = 20

// options is where the options of a message are, found once.
type options struct {
	n     int
	there uint32             // a bit for each code that there is
	at    [lowOptions][]byte // data of the first of those
}

// option is the data of the first EDNS option of that code, nil where there is
// none and not nil where there is one without data.
func (e *Event) option(code uint16) (data []byte) {
	o := e.edns()
	switch {
	case code >= lowOptions:
	case o.there>>code&1 != 0:
		return o.at[code]
	default:
		return nil
	}
	e.Options(func(c uint16, d []byte) bool {
		if c == code {
			data = d
		}
		return data == nil
	})
	return data
}

func (e *Event) edns() *options {
	o := &e.opts
	if !e.needs(madeOptions) {
		return o
	}
	o.n, o.there = 0, 0
	if e.EDNS.Len == 0 {
		return o
	}
	e.Options(func(code uint16, data []byte) bool {
		o.n++
		if code < lowOptions && o.there>>code&1 == 0 {
			o.there |= 1 << code
			o.at[code] = data
		}
		return true
	})
	return o
}

// ofEDNS is the field of what stands in the OPT record.
func ofEDNS(f Field, get func(e *dns.EDNS) uint32) Field {
	f.Kind, f.small = Number, true
	f.number = func(e *Event) (uint32, bool) { return get(&e.EDNS), e.EDNS.Present }
	return f
}

// hasOption is the field of whether there is an option.
func hasOption(name, doc string, code uint16) Field {
	return Field{Name: name, Doc: doc, Kind: Flag, small: true, zeros: true, number: func(e *Event) (uint32, bool) {
		return bit(e.option(code) != nil), true
	}}
}

// ednsFields are those of the OPT record (RFC 6891) and its options. Of several
// options of one code the first counts.
var ednsFields = []Field{
	{Name: "edns", Doc: "there is an OPT record", Kind: Flag, small: true, zeros: true, number: func(e *Event) (uint32, bool) {
		return bit(e.EDNS.Present), true
	}},
	ofEDNS(Field{Name: "edns_version", Doc: "version of EDNS", absent: "none"}, func(e *dns.EDNS) uint32 { return uint32(e.Version) }),
	ofEDNS(Field{Name: "edns_size", Doc: "UDP payload size of EDNS", Unit: "octets"}, func(e *dns.EDNS) uint32 { return uint32(e.UDP) }),
	ofEDNS(Field{Name: "edns_size_bin", Doc: "the same in bins of 512", Unit: "octets", bin: 512, zeros: true, absent: "None"}, func(e *dns.EDNS) uint32 { return uint32(e.UDP) }),
	{Name: "do", Doc: "DNSSEC OK (RFC 3225)", Kind: Flag, small: true, zeros: true, number: func(e *Event) (uint32, bool) {
		return bit(e.EDNS.DO), true
	}},
	counted("options", "count of EDNS options", "", func(e *Event) int { return e.edns().n }),
	{
		Name: "option(n)", Doc: "there is an EDNS option of that code or name", Kind: Flag, small: true, zeros: true,
		with: func(f *Field, args []string) bool {
			if len(args) != 1 {
				return false
			}
			code, ok := dns.OptionByName(args[0])
			if !ok {
				n, err := strconv.ParseUint(args[0], 10, 16)
				if code = uint16(n); err != nil {
					return false
				}
			}
			f.number = func(e *Event) (uint32, bool) { return bit(e.option(code) != nil), true }
			return true
		},
	},
	{Name: "ecs", Doc: "EDNS Client Subnet (RFC 7871), anonymised", Kind: Subnet, addr: func(e *Event) (netip.Prefix, bool) {
		p, _, ok := speedy.ClientSubnet(e.option(dns.OptionClientSubnet))
		return p, ok
	}},
	{Name: "ecs_scope", Doc: "scope prefix length of EDNS Client Subnet", Kind: Number, Unit: "bits", small: true, number: func(e *Event) (uint32, bool) {
		_, scope, ok := speedy.ClientSubnet(e.option(dns.OptionClientSubnet))
		return uint32(scope), ok
	}},
	{Name: "nsid", Doc: "name server identifier (RFC 5001), octets outside 20–7e as \\DDD", Kind: Text, text: func(e *Event) ([]byte, bool) {
		id := e.option(dns.OptionNSID)
		e.raw = e.raw[:0]
		for _, c := range id {
			switch {
			case c == '\\':
				e.raw = append(e.raw, '\\', c)
			case c < 0x20 || c > 0x7e:
				e.raw = append(e.raw, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
			default:
				e.raw = append(e.raw, c)
			}
		}
		return e.raw, len(id) > 0
	}},
	{Name: "ede", Doc: "extended DNS error (RFC 8914), the first of a message", Kind: Code, small: true, codes: errorCodes, number: func(e *Event) (uint32, bool) {
		if d := e.option(dns.OptionExtendedError); len(d) >= 2 {
			return uint32(binary.BigEndian.Uint16(d)), true
		}
		return 0, false
	}},
	hasOption("cookie", "there is a DNS cookie (RFC 7873)", dns.OptionCookie),
	hasOption("keepalive", "there is edns-tcp-keepalive (RFC 7828)", dns.OptionTCPKeepalive),
	hasOption("padding", "there is padding (RFC 7830)", dns.OptionPadding),
	{Name: "padding_length", Doc: "octets of padding", Kind: Number, Unit: "octets", small: true, number: func(e *Event) (uint32, bool) {
		d := e.option(dns.OptionPadding)
		return uint32(len(d)), d != nil
	}},
}

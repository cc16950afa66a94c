package reduce

import (
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Geo tells where addresses are, by files in MaxMind's format. A nil reader
// knows nothing.
type Geo struct {
	country, asn *maxminddb.Reader
}

// maxGeo bounds a file: the largest of MaxMind's are a tenth of that. It is read
// whole, so that a file that is changed in place harms nobody.
const maxGeo = 1 << 30

// OpenGeo reads the files of that name, of countries and of autonomous systems;
// either may be empty. The error names the member of the configuration.
func OpenGeo(country, asn string) (*Geo, error) {
	g := new(Geo)
	for _, f := range []struct {
		need, path string
		to         **maxminddb.Reader
	}{{NeedsCountry, country, &g.country}, {NeedsASN, asn, &g.asn}} {
		if f.path == "" {
			continue
		}
		r, err := openGeo(f.path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.need, err)
		}
		*f.to = r
	}
	return g, nil
}

func openGeo(path string) (*maxminddb.Reader, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxGeo {
		return nil, fmt.Errorf("%s: %d octets, which no such file has", path, info.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r, err := maxminddb.OpenBytes(b)
	if err != nil {
		return nil, fmt.Errorf("%s: not in MaxMind's format: %w", path, err)
	}
	return r, nil
}

// The needs of fields, by the members of the configuration that fill them.
const (
	NeedsCountry = "geo.country"
	NeedsASN     = "geo.asn"
)

// Needs lists the members of the configuration that the reducer's fields, and
// those of its filter, which may be nil, cannot do without.
func (e *Entry) Needs(where *Where) (needs []string) {
	add := func(f *Field) {
		if f != nil && f.needs != "" && !slices.Contains(needs, f.needs) {
			needs = append(needs, f.needs)
		}
	}
	for _, name := range append(e.By[:len(e.By):len(e.By)], e.OfField) {
		add(FindField(name))
	}
	if e.Script != nil {
		for _, name := range e.Script.fields {
			add(FindField(name))
		}
	}
	if where != nil {
		for _, f := range where.fields {
			add(f)
		}
	}
	return needs
}

// A place is what the files say of an address.
type place struct {
	addr    netip.Addr
	country [2]byte
	asn     uint32
}

// placesCached is how many addresses a worker remembers: clients come again.
const placesCached = 1 << 12

// placeOf is where the client is, of which the files know more than the messages.
func (e *Event) placeOf() *place {
	a := e.Client()
	if e.places == nil {
		e.places = make([]place, placesCached)
	}
	b := a.As16()
	h := uint32(2166136261)
	for _, c := range b[:] {
		h = (h ^ uint32(c)) * 16777619
	}
	p := &e.places[h%placesCached]
	if p.addr != a || p.country[0] == 0 || e.placesOf != e.Facts.Geo { // zero is the address of a message without
		if e.placesOf != e.Facts.Geo {
			clear(e.places)
			e.placesOf = e.Facts.Geo
		}
		*p = e.Facts.Geo.find(a)
	}
	return p
}

// find looks an address up. What the files do not know, or say in a way that
// nobody understands, is unknown.
func (g *Geo) find(a netip.Addr) place {
	p := place{addr: a, country: [2]byte{'?', '?'}}
	if g == nil || !a.IsValid() {
		return p
	}
	if g.country != nil {
		var code string
		r := g.country.Lookup(a)
		if r.DecodePath(&code, "country", "iso_code") == nil && isCountry(code) {
			copy(p.country[:], code)
		}
	}
	if g.asn != nil {
		var n uint64
		r := g.asn.Lookup(a)
		if r.DecodePath(&n, "autonomous_system_number") == nil && n < absentASN {
			p.asn = uint32(n)
		}
	}
	return p
}

// absentASN is reserved (RFC 7300) and a number that tables use otherwise.
const absentASN = 1<<32 - 1

// isCountry reports whether that is a code of ISO 3166-1, alpha-2.
func isCountry(code string) bool {
	return len(code) == 2 && code[0] >= 'A' && code[0] <= 'Z' && code[1] >= 'A' && code[1] <= 'Z'
}

// geoFields are those that files tell of the client's address, before it is
// anonymised.
var geoFields = []Field{
	{Name: "country", Doc: "country of the client, ISO 3166-1, or ??", Kind: Text, needs: NeedsCountry, text: func(e *Event) ([]byte, bool) {
		return e.placeOf().country[:], true
	}},
	{Name: "asn", Doc: "autonomous system of the client, or 0", Kind: Number, needs: NeedsASN, number: func(e *Event) (uint32, bool) {
		return e.placeOf().asn, true
	}},
}

package reduce

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter/mmdbtype"

	"ratadns/reduce/geotest"
	"ratadns/speedy"
)

func TestGeo(t *testing.T) {
	countries := geotest.File(t, map[string]mmdbtype.DataType{
		"192.0.2.0/24": geotest.Country("CL"), "198.51.100.0/25": geotest.Country("NZ"), "2001:db8::/32": geotest.Country("SE"),
		"203.0.113.0/24": geotest.Country("<script>"), "203.0.114.0/24": mmdbtype.Map{"country": mmdbtype.String("CL")},
	})
	systems := geotest.File(t, map[string]mmdbtype.DataType{"192.0.2.0/24": geotest.ASN(64496), "2001:db8::/32": geotest.ASN(4294967294), "198.51.100.0/25": geotest.ASN(4294967295)})
	geo, err := OpenGeo(countries, systems)
	if err != nil {
		t.Fatal(err)
	}
	anon, _ := speedy.NewAnonymizer(speedy.Hash, speedy.Key{1})
	e := NewEvent(anon)
	e.Facts.Geo = geo
	for range 2 { // the second time they are remembered
		for _, c := range []struct {
			client, country string
			asn             uint32
		}{
			{"192.0.2.7", "CL", 64496}, {"198.51.100.1", "NZ", 0}, {"198.51.100.200", "??", 0}, {"2001:db8::1", "SE", 4294967294},
			{"203.0.113.1", "??", 0}, {"203.0.114.1", "??", 0}, {"8.8.8.8", "??", 0},
			{"", "??", 0}, // as dnstap may have it
		} {
			m := &speedy.Message{Dest: netip.MustParseAddr("192.0.2.53")}
			if c.client != "" {
				m.Source = netip.MustParseAddr(c.client)
			}
			e.Set(m)
			code, _ := FindField("country").text(e)
			n, ok := FindField("asn").number(e)
			if string(code) != c.country || n != c.asn || !ok {
				t.Errorf("%s: %s, %d; want %s, %d", c.client, code, n, c.country, c.asn)
			}
		}
	}
	e.Facts.Geo = nil
	if code, _ := FindField("country").text(e); string(code) != "??" {
		t.Errorf("without a file: %s", code)
	}
	for _, path := range []string{"/nowhere.mmdb", "geo_test.go"} {
		if _, err := OpenGeo("", path); err == nil || !strings.HasPrefix(err.Error(), "geo.asn: ") || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestGeoDamaged: a damaged file is refused or knows less, and that is all.
func TestGeoDamaged(t *testing.T) {
	networks := make(map[string]mmdbtype.DataType)
	for i := range 200 {
		networks[netip.AddrFrom4([4]byte{198, 18, byte(i), 0}).String()+"/24"] = geotest.Country([]string{"CL", "NZ", "SE"}[i%3])
	}
	good, err := os.ReadFile(geotest.File(t, networks))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	path := filepath.Join(t.TempDir(), "bad.mmdb")
	opened := 0
	for i := range 500 {
		b := bytes.Clone(good)
		if i%5 == 0 {
			b = b[:r.IntN(len(b))]
		}
		for range 1 + i%7 {
			if len(b) > 0 {
				b[r.IntN(len(b))] = byte(r.Uint32())
			}
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		geo, err := OpenGeo(path, path)
		if err != nil {
			continue
		}
		opened++
		for i := range 200 {
			p := geo.find(netip.AddrFrom4([4]byte{198, 18, byte(i), 9}))
			if c := string(p.country[:]); c != "??" && !isCountry(c) {
				t.Errorf("country %q", c)
			}
		}
	}
	if opened == 0 {
		t.Error("none was opened")
	}
}

package reduce

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"ratadns/speedy"
)

// geoFile makes a file in MaxMind's format.
func geoFile(t testing.TB, networks map[string]mmdbtype.DataType) string {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test", RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, data := range networks {
		_, n, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Insert(n, data); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "geo.mmdb")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func country(code string) mmdbtype.DataType {
	return mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(code)}}
}

func asn(n uint32) mmdbtype.DataType {
	return mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(n)}
}

func TestGeo(t *testing.T) {
	countries := geoFile(t, map[string]mmdbtype.DataType{
		"192.0.2.0/24": country("CL"), "198.51.100.0/25": country("NZ"), "2001:db8::/32": country("SE"),
		"203.0.113.0/24": country("<script>"), "203.0.114.0/24": mmdbtype.Map{"country": mmdbtype.String("CL")},
	})
	systems := geoFile(t, map[string]mmdbtype.DataType{"192.0.2.0/24": asn(64496), "2001:db8::/32": asn(4294967294), "198.51.100.0/25": asn(4294967295)})
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
		} {
			e.Set(&speedy.Message{Source: netip.MustParseAddr(c.client), Dest: netip.MustParseAddr("192.0.2.53")})
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
		networks[netip.AddrFrom4([4]byte{198, 18, byte(i), 0}).String()+"/24"] = country([]string{"CL", "NZ", "SE"}[i%3])
	}
	good, err := os.ReadFile(geoFile(t, networks))
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

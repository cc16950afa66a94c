package speedy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The key and the addresses of the sample that comes with the original
// Crypto-PAn 1.0.
var panKey = Key{21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16,
	216, 152, 143, 131, 121, 121, 101, 39, 98, 87, 76, 45, 42, 132, 34, 2}

func TestCryptoPAn(t *testing.T) {
	a := anonymizer(t, Prefix, panKey)
	for from, want := range map[string]string{
		"128.11.68.132":   "135.242.180.132",
		"129.118.74.4":    "134.136.186.123",
		"130.132.252.244": "133.68.164.234",
		"141.223.7.43":    "141.167.8.160",
		"141.233.145.108": "141.129.237.235",
		"152.163.225.39":  "151.140.114.167",
	} {
		if got := a.Addr(netip.MustParseAddr(from)); got.String() != want {
			t.Errorf("%s becomes %s, want %s", from, got, want)
		}
	}
}

// common is the number of leading bits that x and y share.
func common(x, y netip.Addr) int {
	for n := x.BitLen(); n > 0; n-- {
		p, _ := x.Prefix(n)
		if p.Contains(y) {
			return n
		}
	}
	return 0
}

// Addresses share exactly as many leading bits after Crypto-PAn as before.
func TestPrefixShared(t *testing.T) {
	a := anonymizer(t, Prefix, Key{7})
	for _, s := range []string{"203.0.113.77", "0.0.0.0", "2001:db8:85a3::8a2e:370:7334", "::"} {
		x := netip.MustParseAddr(s)
		changed := false
		for bit := range x.BitLen() {
			b := x.AsSlice()
			b[bit/8] ^= 0x80 >> (bit % 8)
			b[len(b)-1] ^= byte(bit) >> 7 // and something behind it
			y, _ := netip.AddrFromSlice(b)
			gx, gy := a.Addr(x), a.Addr(y)
			if common(gx, gy) != common(x, y) || gx.BitLen() != x.BitLen() || gy.BitLen() != x.BitLen() {
				t.Errorf("%s and %s share %d bits, %s and %s %d", x, y, common(x, y), gx, gy, common(gx, gy))
			}
			changed = changed || gx != x
		}
		if !changed {
			t.Errorf("%s is as it was", x)
		}
	}
}

// Under hash no two addresses become one, whatever their prefix.
func TestHashBijection(t *testing.T) {
	a := anonymizer(t, Hash, Key{7})
	seen := map[netip.Addr]netip.Addr{}
	fixed := 0
	f := func(x netip.Addr) {
		y := a.Addr(x)
		if y.Is4() != x.Is4() || y.Is4In6() && !x.Is4In6() {
			t.Fatalf("%s becomes %s", x, y)
		}
		if other, ok := seen[y]; ok && other != x {
			t.Fatalf("%s and %s become %s", other, x, y)
		}
		if y == x {
			fixed++
		}
		seen[y] = x
	}
	for _, net := range [][2]byte{{0, 0}, {10, 0}, {192, 0}, {203, 0}, {255, 255}} {
		for i := range 1 << 16 {
			f(netip.AddrFrom4([4]byte{net[0], net[1], byte(i >> 8), byte(i)}))
		}
	}
	b := netip.MustParseAddr("2001:db8::").As16()
	for i := range 1 << 16 {
		b[14], b[15] = byte(i>>8), byte(i)
		f(netip.AddrFrom16(b))
		b[2], b[3] = byte(i>>8), byte(i)
		f(netip.AddrFrom16(b))
		b[2], b[3] = 0x0d, 0xb8
	}
	// A permutation has one fixed point, give or take.
	if fixed > 3 {
		t.Errorf("%d of %d addresses are as they were", fixed, len(seen))
	}
	// The images of neighbours are spread over the whole space.
	var tops [256]bool
	n := 0
	for y := range seen {
		if top := y.AsSlice()[0]; y.Is4() && !tops[top] {
			tops[top] = true
			n++
		}
	}
	if n != 256 {
		t.Errorf("images in %d networks of /8, want 256", n)
	}
}

func TestKeys(t *testing.T) {
	for _, method := range []Method{Hash, Prefix} {
		a, same, other := anonymizer(t, method, Key{1}), anonymizer(t, method, Key{1}), anonymizer(t, method, Key{2})
		last := anonymizer(t, method, Key{31: 1})
		clone := a.Clone()
		differ := 0
		for i := range 2000 {
			x := netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)})
			if i%2 == 1 {
				x = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: byte(i >> 8), 15: byte(i)})
			}
			y := a.Addr(x)
			if same.Addr(x) != y || clone.Addr(x) != y || a.Addr(x) != y {
				t.Fatalf("%s: %s: one key, two results", method, x)
			}
			if other.Addr(x) != y && last.Addr(x) != y {
				differ++
			}
		}
		if differ < 1990 {
			t.Errorf("%s: %d of 2000 addresses depend on the key", method, differ)
		}
	}
	if a, b := RandomKey(), RandomKey(); a == b {
		t.Error("two random keys are equal")
	}
}

// The methods' answer must not depend on what is in the cache.
func TestAnonymizeCache(t *testing.T) {
	for _, method := range []Method{Hash, Prefix} {
		a := anonymizer(t, method, Key{1})
		for i := range 3 * cache4Size {
			x := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
			if i%3 == 0 {
				x = netip.AddrFrom16(x.As16()) // ::ffff:10.0.0.0, not the same
			}
			want := a.permute(x)
			if method == Prefix {
				want = a.preserve(x)
			}
			if got := a.Addr(x); got != want {
				t.Fatalf("%s: %s becomes %s, want %s", method, x, got, want)
			}
		}
	}
}

func TestTruncateAndNone(t *testing.T) {
	trunc, none := anonymizer(t, Truncate, Key{1}), anonymizer(t, None, Key{1})
	for from, want := range map[string]string{
		"192.0.2.255":             "192.0.2.0",
		"255.255.255.255":         "255.255.255.0",
		"2001:db8:1:2:3:4:5:6":    "2001:db8:1::",
		"::ffff:192.0.2.1":        "::",
		"ffff:ffff:ffff:ffff::ff": "ffff:ffff:ffff::",
	} {
		x := netip.MustParseAddr(from)
		if got := trunc.Addr(x); got != netip.MustParseAddr(want) {
			t.Errorf("%s becomes %s, want %s", x, got, want)
		}
		if got := none.Addr(x); got != x {
			t.Errorf("none: %s becomes %s", x, got)
		}
	}
	if _, err := NewAnonymizer("rot13", Key{}); err == nil || !strings.Contains(err.Error(), `"rot13"`) {
		t.Errorf("rot13: %v", err)
	}
	for _, m := range []Method{None, Hash, Prefix, Truncate} {
		if got := anonymizer(t, m, Key{}).Method(); got != m {
			t.Errorf("method %s, want %s", got, m)
		}
	}
}

func TestSubnet(t *testing.T) {
	hash, prefix := anonymizer(t, Hash, Key{1}), anonymizer(t, Prefix, Key{1})
	trunc, none := anonymizer(t, Truncate, Key{1}), anonymizer(t, None, Key{1})
	for _, s := range []string{"203.0.113.77/24", "203.0.113.77/32", "203.0.113.77/9", "203.0.113.77/0", "2001:db8:1:2:3::/56", "2001:db8:1:2:3::/47", "2001:db8::/0"} {
		p := netip.MustParsePrefix(s)
		if got := none.Subnet(p); got != p.Addr() {
			t.Errorf("none: %s becomes %s", p, got)
		}
		// All addresses of a subnet give the same, whatever their host bits.
		if got, want := hash.Subnet(p), hash.Addr(p.Masked().Addr()); got != want || hash.Subnet(p.Masked()) != want {
			t.Errorf("hash: %s becomes %s, want %s", p, got, want)
		}
		// A client of the subnet is still in it.
		got := prefix.Subnet(p)
		if q := netip.PrefixFrom(got, p.Bits()); q != q.Masked() || !q.Contains(prefix.Addr(p.Addr())) {
			t.Errorf("prefix: %s becomes %s, its client %s", p, got, prefix.Addr(p.Addr()))
		}
		wide := min(p.Bits(), map[bool]int{true: 24, false: 48}[p.Addr().Is4()])
		if got, want := trunc.Subnet(p), netip.PrefixFrom(p.Addr(), wide).Masked().Addr(); got != want {
			t.Errorf("truncate: %s becomes %s, want %s", p, got, want)
		}
	}
	if hash.Subnet(netip.MustParsePrefix("10.0.0.0/8")) != hash.Subnet(netip.MustParsePrefix("10.0.0.0/24")) {
		t.Error("hash: subnets with the same masked address differ")
	}
}

func TestReadKey(t *testing.T) {
	raw := string(panKey[:])
	text := hex.EncodeToString(panKey[:])
	f := func(content string, want Key, wantErr string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := ReadKey(path)
		switch {
		case k != want:
			t.Errorf("%q: key %x, want %x", content, k, want)
		case wantErr == "" && err != nil:
			t.Errorf("%q: %v", content, err)
		case wantErr != "" && (err == nil || err.Error() != path+": "+wantErr):
			t.Errorf("%q: %v, want %s", content, err, wantErr)
		case (wantErr == ErrShortKey.Error()) != errors.Is(err, ErrShortKey):
			t.Errorf("%q: %v is not ErrShortKey", content, err)
		}
	}
	digest := func(s string) Key { return sha256.Sum256([]byte(s)) }
	f(raw, panKey, "")
	f(" \n"+raw[2:], Key([]byte(" \n"+raw[2:])), "") // of 32 octets none is space to trim
	f(text, panKey, "")
	f(strings.ToUpper(text)+"\r\n", panKey, "")
	f("  "+text+"\n", panKey, "")
	f(text[:62]+"zz", digest(text[:62]+"zz"), "")
	f(raw+"x", digest(raw+"x"), "")
	f("a passphrase that is long enough\n", digest("a passphrase that is long enough"), "")
	f("sixteen octets!!", digest("sixteen octets!!"), "")
	f("fifteen octets!\n", digest("fifteen octets!"), ErrShortKey.Error())
	f("", Key{}, "empty, want a key of 32 octets or 64 hexadecimal digits")
	f(" \n\t", Key{}, "empty, want a key of 32 octets or 64 hexadecimal digits")
	if _, err := ReadKey(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

package speedy

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/cpu"
)

// A Method is a way to anonymise addresses.
type Method string

// The methods.
const (
	None     Method = "none"
	Hash     Method = "hash"     // a keyed bijection, so that two clients never become one
	Prefix   Method = "prefix"   // Crypto-PAn: addresses that share a prefix still do
	Truncate Method = "truncate" // the host bits zeroed: /24 and /48
)

// A Key is the secret that anonymised addresses depend on. Monitors with the
// same key agree.
type Key [32]byte

// RandomKey makes a key for one run.
func RandomKey() (k Key) {
	rand.Read(k[:])
	return k
}

// shortKey is the fewest octets of a key file that are not easily guessed.
const shortKey = 16

// ErrShortKey is a warning that comes together with a key.
var ErrShortKey = errors.New("key of fewer than 16 octets can be guessed")

// ReadKey reads a key file: 32 octets, or as many in 64 hexadecimal digits, are
// the key itself, as other Crypto-PAn programs have it; of anything else the
// key is the SHA-256 digest.
func ReadKey(path string) (k Key, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return k, err
	}
	if len(b) == len(k) {
		return Key(b), nil
	}
	b = bytes.TrimSpace(b)
	if len(b) == hex.EncodedLen(len(k)) {
		if _, err := hex.Decode(k[:], b); err == nil {
			return k, nil
		}
	}
	switch {
	case len(b) == 0:
		return k, fmt.Errorf("%s: empty, want a key of 32 octets or 64 hexadecimal digits", path)
	case len(b) < shortKey:
		err = fmt.Errorf("%s: %w", path, ErrShortKey)
	}
	return sha256.Sum256(b), err
}

// An Anonymizer turns real addresses into those that leave the monitor. One
// goroutine owns it; Clone makes more that agree.
type Anonymizer struct {
	method Method
	key    Key
	block  cipher.Block // AES: the pseudorandom function behind hash and prefix
	pad    [16]byte     // Crypto-PAn's
	in     [16]byte     // scratch, so that nothing escapes to the heap
	out    [16]byte
	cache4 []cached4
	cache6 []cached6
	_      cpu.CacheLinePad
}

// Cached results: addresses come again and again, and Crypto-PAn costs a block
// of AES per bit. They start as a result for the address of zeros.
type cached4 struct{ from, to uint32 }
type cached6 struct{ from, to netip.Addr }

// The caches hold the clients that matter and fit the second-level cache.
const cache4Size, cache6Size = 8192, 2048

// NewAnonymizer returns an Anonymizer of that method.
func NewAnonymizer(method Method, key Key) (*Anonymizer, error) {
	a := &Anonymizer{method: method, key: key}
	switch method {
	case None, Truncate:
		return a, nil
	case Hash:
		mac := hmac.New(sha256.New, key[:])
		mac.Write([]byte("ratadns address bijection"))
		a.block, _ = aes.NewCipher(mac.Sum(nil)[:16])
	case Prefix:
		a.block, _ = aes.NewCipher(key[:16])
		a.block.Encrypt(a.pad[:], key[16:])
	default:
		return nil, fmt.Errorf("unknown method %q, choose from none, hash, prefix, truncate", method)
	}
	a.cache4, a.cache6 = make([]cached4, cache4Size), make([]cached6, cache6Size)
	zero := a.replace(netip.IPv4Unspecified()).As4()
	for i := range a.cache4 {
		a.cache4[i].to = binary.BigEndian.Uint32(zero[:])
	}
	return a, nil
}

// Clone returns an Anonymizer that agrees with a.
func (a *Anonymizer) Clone() *Anonymizer {
	b, _ := NewAnonymizer(a.method, a.key)
	return b
}

// Method is the method that a was made with.
func (a *Anonymizer) Method() Method { return a.method }

// Addr returns the anonymised form of x, of the same family.
func (a *Anonymizer) Addr(x netip.Addr) netip.Addr {
	switch a.method {
	case None:
		return x
	case Truncate:
		return truncate(x)
	}
	if x.Is4() {
		b := x.As4()
		from := binary.BigEndian.Uint32(b[:])
		c := &a.cache4[from*0x9e3779b1>>19]
		if c.from != from {
			y := a.replace(x).As4()
			c.from, c.to = from, binary.BigEndian.Uint32(y[:])
		}
		binary.BigEndian.PutUint32(b[:], c.to)
		return netip.AddrFrom4(b)
	}
	b := x.As16()
	h := (binary.LittleEndian.Uint64(b[:]) ^ binary.LittleEndian.Uint64(b[8:])) * 0x9e3779b97f4a7c15
	c := &a.cache6[h>>53]
	if c.from != x {
		c.from, c.to = x, a.replace(x)
	}
	return c.to
}

// replace works the anonymised form of x out.
func (a *Anonymizer) replace(x netip.Addr) netip.Addr {
	if a.method == Hash {
		return a.permute(x)
	}
	return a.preserve(x)
}

// Subnet returns the address that stands for the prefix p. Under hash that is
// the bijection of the masked prefix, an address of its own.
func (a *Anonymizer) Subnet(p netip.Prefix) netip.Addr {
	if a.method == None {
		return p.Addr()
	}
	x := a.Addr(p.Masked().Addr())
	if a.method == Hash {
		return x
	}
	return netip.PrefixFrom(x, p.Bits()).Masked().Addr()
}

func truncate(x netip.Addr) netip.Addr {
	n := 48
	if x.Is4() {
		n = 24
	}
	p, _ := x.Prefix(n)
	return p.Addr()
}

// permute is a permutation of all addresses of x's family: AES itself for the
// 128 bits of IPv6, a Feistel network of ten rounds over AES (as in NIST SP
// 800-38G, FF1) for the 32 of IPv4.
func (a *Anonymizer) permute(x netip.Addr) netip.Addr {
	if !x.Is4() {
		a.in = x.As16()
		a.block.Encrypt(a.out[:], a.in[:])
		return netip.AddrFrom16(a.out)
	}
	b := x.As4()
	l, r := binary.BigEndian.Uint16(b[:]), binary.BigEndian.Uint16(b[2:])
	a.in = [16]byte{0: 4} // the family, so that the round keys are of no use for IPv6
	for round := range byte(10) {
		a.in[1] = round
		binary.BigEndian.PutUint16(a.in[2:], r)
		a.block.Encrypt(a.out[:], a.in[:])
		l, r = r, l^binary.BigEndian.Uint16(a.out[:])
	}
	binary.BigEndian.PutUint16(b[:], l)
	binary.BigEndian.PutUint16(b[2:], r)
	return netip.AddrFrom4(b)
}

// preserve is Crypto-PAn (Xu, Fan, Ammar, Moon, 2002): bit i of the result is
// bit i of x, flipped by a function of the i bits before it.
func (a *Anonymizer) preserve(x netip.Addr) netip.Addr {
	n := 128
	b := x.As16()
	if x.Is4() {
		n = 32
		v4 := x.As4()
		b = [16]byte{}
		copy(b[:], v4[:])
	}
	orig := b
	for i := range n {
		// The first i bits of the address, then the pad's.
		a.in = a.pad
		copy(a.in[:i/8], orig[:i/8])
		mask := byte(0xff) << (8 - i%8)
		a.in[i/8] = orig[i/8]&mask | a.pad[i/8]&^mask
		a.block.Encrypt(a.out[:], a.in[:])
		b[i/8] ^= a.out[0] >> 7 << (7 - i%8)
	}
	if n == 32 {
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16(b)
}

package dns

import (
	"strings"
	"testing"
)

var benchQuery = message(0x0100, 1, 0, 0, 1).
	question("\x03www\x07example\x03org\x00", TypeA, ClassIN).
	record("\x00", TypeOPT, 1232, 0x8000, "")

func BenchmarkUnpack(b *testing.B) {
	for _, c := range []struct {
		name string
		msg  []byte
	}{{"query", benchQuery}, {"response", response}} {
		b.Run(c.name, func(b *testing.B) {
			var m Message
			b.ReportAllocs()
			for b.Loop() {
				m.Unpack(c.msg)
			}
		})
	}
}

// A hostile message of nearly 64 KiB: every owner name is a chain of pointers
// as long as an offset of 14 bits allows.
func BenchmarkUnpackPointers(b *testing.B) {
	const chain, records = 8000, 3000
	const first = HeaderLen + 11 // where the first record's data begin
	rdata := []byte{0}           // the root, then pointers each to the one before
	for target := first; len(rdata) < 2*chain; target = first + len(rdata) - 2 {
		rdata = append(rdata, 0xc0|byte(target>>8), byte(target))
	}
	msg := message(0x8000, 0, records).record("\x00", TypeTXT, ClassIN, 0, string(rdata))
	last := len(msg) - 2
	for range records - 1 {
		msg = msg.record(string([]byte{0xc0 | byte(last>>8), byte(last)}), TypeTXT, ClassIN, 0, "")
	}
	var m Message
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Unpack(msg); err != nil {
			b.Fatal(err, m.Offset)
		}
	}
}

func BenchmarkAppendName(b *testing.B) {
	msg := []byte("\x03www\x07example\x03org\x00")
	dst := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		dst, _, _ = AppendName(dst[:0], msg, 0)
	}
}

func BenchmarkAppendRdata(b *testing.B) {
	dst := make([]byte, 0, 4096)
	seen := map[string]bool{}
	for _, text := range rdataTexts {
		mnemonic, _, _ := strings.Cut(text, " ")
		if seen[mnemonic] {
			continue
		}
		seen[mnemonic] = true
		typ, rdata, _ := pack(b, text)
		b.Run(mnemonic, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendRdata(dst[:0], rdata, typ, 0, len(rdata))
			}
		})
	}
}

func BenchmarkTypeByName(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		TypeByName("AAAA")
	}
}

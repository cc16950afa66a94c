package speedy

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// bothWays reads an object in the quick way and in the general one.
func bothWays(b []byte) (quick, general Message, ok bool) {
	var p, q parser
	p.reset(b, &quick)
	if ok = p.written(&quick); !ok {
		return quick, general, false
	}
	quick.Wire = p.wire
	q.reset(b, &general)
	if !q.members(func(name []byte) bool { return q.member(name, &general) }) || p.i != q.i {
		return quick, Message{}, true
	}
	general.Wire = q.wire
	return quick, general, true
}

// differ compares messages; empty and absent slices are alike.
func differ(a, b *Message) string {
	x, y := *a, *b
	for _, m := range []*Message{&x, &y} {
		if len(m.Questions) == 0 {
			m.Questions = nil
		}
		if len(m.Wire) == 0 {
			m.Wire = nil
		}
	}
	return cmp.Diff(x, y, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }))
}

// FuzzWritten: whatever is read in the quick way is read the same in the general
// one.
func FuzzWritten(f *testing.F) {
	for _, fields := range []Fields{FieldsDefault, FieldsDefault &^ FieldPorts, FieldQueries, FieldSource | FieldTime} {
		e := NewEncoder(fields, anonymizer(f, None, zeroKey))
		for _, b := range [][]byte{aQuery, aResponse, escapes, many(3, 63)} {
			f.Add(e.Append(nil, message(b)))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if quick, general, ok := bothWays(b); ok {
			if diff := differ(&quick, &general); diff != "" {
				t.Errorf("-quick +general:\n%s", diff)
			}
		}
	})
}

// TestWritten: what Speedy writes of usual messages is read in the quick way.
func TestWritten(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long where races are looked for, and has none")
	}
	quick, all := 0, 0
	e := NewEncoder(FieldsDefault, anonymizer(t, Hash, Key{1}))
	each(t, sampleCapture(t), func(m *Message) {
		all++
		b := e.Append(nil, m)
		a, b2, ok := bothWays(b)
		if !ok {
			return
		}
		quick++
		if diff := differ(&a, &b2); diff != "" {
			t.Fatalf("%s\n-quick +general:\n%s", b, diff)
		}
	})
	if quick < all*9/10 {
		t.Errorf("%d of %d messages", quick, all)
	}
}

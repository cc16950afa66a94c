package report

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// FuzzScan: what the scanner takes means what encoding/json reads.
func FuzzScan(f *testing.F) {
	for _, s := range []string{
		`{"a":1,"b":{"c":-2.5e3,"d":null}}`, `[1,"x",{"y":[true]}]`, ` { "a\"\\\u00e9" : [ "]", "}" , 1 ] , "b":[]} `,
		`null`, `-0`, `{"":{}}`, `{"a":1,"a":2}`, `["\\"]`, `{"a":1 }`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		n, err := parseNode(raw)
		if err != nil || !utf8.Valid(raw) {
			return
		}
		var want, got any
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatalf("taken, but not JSON: %v", err)
		}
		out := n.append(nil, 0)
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

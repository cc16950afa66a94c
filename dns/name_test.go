package dns

import (
	"bytes"
	"strings"
	"testing"
)

// names are octets, the offset of a name in them, and what is read: the text
// so far, and either the offset after the name or the reason and where.
var names = []struct {
	what string
	msg  string // \x as in Go
	off  int
	text string
	next int
	err  error
}{
	{"root", "\x00", 0, ".", 1, nil},
	{"one label", "\x02cl\x00", 0, "cl.", 4, nil},
	{"case kept", "\x03wWw\x07eXample\x03ORG\x00", 0, "wWw.eXample.ORG.", 17, nil},
	{"dot", "\x03a.b\x00", 0, `a\.b.`, 5, nil},
	{"only a dot", "\x01.\x00", 0, `\..`, 3, nil},
	{"backslash", "\x03a\\b\x00", 0, `a\\b.`, 5, nil},
	{"space", "\x03a b\x00", 0, `a\032b.`, 5, nil},
	{"NUL and US", "\x02\x00\x1f\x00", 0, `\000\031.`, 4, nil},
	{"DEL", "\x01\x7f\x00", 0, `\127.`, 3, nil},
	{"high octets", "\x03\x80\xc0\xff\x00", 0, `\128\192\255.`, 5, nil},
	{"not escaped", "\x0c\"'@;()$*#~!_\x00", 0, `"'@;()$*#~!_.`, 14, nil},
	{"octets after it", "\x01a\x00\x01b", 0, "a.", 3, nil},

	{"pointer", "\x03org\x00\xc0\x00", 5, "org.", 7, nil},
	{"label and pointer", "\x03org\x00\x01a\xc0\x00rest", 5, "a.org.", 9, nil},
	{"pointer to a pointer", "\x03org\x00\x01a\xc0\x00\xc0\x05", 9, "a.org.", 11, nil},
	{"pointer to the root", "\x00\x01a\xc0\x00", 1, "a.", 5, nil},
	{"pointer into a label", "\x03\x01a\x00\x00\xc0\x01", 5, "a.", 7, nil},
	{"pointer over 255", strings.Repeat("x", 300) + "\x01a\x00\xc1\x2c", 303, "a.", 305, nil},

	{"pointer at itself", "\xc0\x00", 0, "", 0, ErrPointer},
	{"pointer at its own name", "\x01a\xc0\x00", 0, "a.", 2, ErrPointer},
	{"pointer into its own name", "\x01a\x01b\xc0\x02", 0, "a.b.", 4, ErrPointer},
	{"forward pointer", "\xc0\x02\x00", 0, "", 0, ErrPointer},
	{"pointer past the end", "\xff\xff", 0, "", 0, ErrPointer},
	{"loop of two", "\x01a\xc0\x04\x01b\xc0\x00", 4, "b.a.", 2, ErrPointer},
	{"back to before the label, then forward", "\x00\xc0\x03\x01a\x00\xc0\x01", 6, "", 1, ErrPointer},

	{"label type 01", "\x01a\x41b\x00", 0, "a.", 2, ErrLabelType},
	{"label type 10", "\x80\x00", 0, "", 0, ErrLabelType},

	{"nothing", "", 0, "", 0, ErrTruncatedName},
	{"begins at the end", "\x00", 1, "", 1, ErrTruncatedName},
	{"no root", "\x01a", 0, "a.", 2, ErrTruncatedName},
	{"half a label", "\x01a\x03bc", 0, "a.", 2, ErrTruncatedName},
	{"half a pointer", "\x00\x01a\xc0", 1, "a.", 3, ErrTruncatedName},

	{"63 octets", "\x3f" + strings.Repeat("a", 63) + "\x00", 0, strings.Repeat("a", 63) + ".", 65, nil},
	{"255 octets", strings.Repeat("\x01a", 127) + "\x00", 0, strings.Repeat("a.", 127), 255, nil},
	{"256 octets", strings.Repeat("\x01a", 126) + "\x02aa\x00", 0, strings.Repeat("a.", 126), 252, ErrNameTooLong},
	{"255 with a pointer", strings.Repeat("\x01a", 126) + "\x00\x01b\xc0\x00", 253, "b." + strings.Repeat("a.", 126), 257, nil},
	{"256 with a pointer", strings.Repeat("\x01a", 126) + "\x00\x02bb\xc0\x00", 253, "bb." + strings.Repeat("a.", 125), 250, ErrNameTooLong},
}

func TestAppendName(t *testing.T) {
	for _, c := range names {
		got, next, err := AppendName([]byte("x"), []byte(c.msg), c.off)
		if string(got) != "x"+c.text || next != c.next || err != c.err {
			t.Errorf("%s: got %s, %d, %v; want x%s, %d, %v", c.what, got, next, err, c.text, c.next, c.err)
		}
	}
}

// In one pass or in two, a folded name is the same.
func TestAppendLowerName(t *testing.T) {
	for _, c := range names {
		got, next, err := AppendLowerName([]byte("X"), []byte(c.msg), c.off)
		want := "X" + string(Lower([]byte(c.text)))
		if string(got) != want || next != c.next || err != c.err {
			t.Errorf("%s: got %s, %d, %v; want %s, %d, %v", c.what, got, next, err, want, c.next, c.err)
		}
	}
	// Every octet at every place of labels of every length.
	for n := 1; n <= 63; n++ {
		label := []byte(strings.Repeat("xY", 32)[:n])
		for i := range label {
			for c := range 256 {
				label[i] = byte(c)
				name := string(byte(n)) + string(label) + "\x03Org\x00"
				got, next, err := AppendLowerName(nil, []byte(name), 0)
				want, _, _ := AppendName(nil, []byte(name), 0)
				if string(got) != string(Lower(want)) || next != len(name) || err != nil {
					t.Fatalf("%q: %s, %d, %v; want %s", name, got, next, err, want)
				}
			}
			label[i] = 'z'
		}
	}
	msg, dst := []byte("\x03wWw\x07eXample\x03ORG\x00"), make([]byte, 0, 512)
	if n := testing.AllocsPerRun(100, func() { dst, _, _ = AppendLowerName(dst[:0], msg, 0) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Skipping a name finds what writing it finds.
func TestSkipName(t *testing.T) {
	for _, c := range names {
		next, labels, wire, err := skipName([]byte(c.msg), c.off)
		if next != c.next || err != c.err {
			t.Errorf("%s: got %d, %v; want %d, %v", c.what, next, err, c.next, c.err)
		}
		if err != nil {
			continue
		}
		wantLabels, wantWire := presentationSize(c.text)
		if labels != wantLabels || wire != wantWire {
			t.Errorf("%s: got %d labels, %d octets; want %d, %d", c.what, labels, wire, wantLabels, wantWire)
		}
	}
}

// presentationSize counts the labels of a name and its octets on the wire.
func presentationSize(name string) (labels, wire int) {
	if name == "." {
		return 0, 1
	}
	wire = 1
	for i := 0; i < len(name); i++ {
		wire++
		switch name[i] {
		case '.':
			labels++
		case '\\':
			if c := name[i+1]; c >= '0' && c <= '9' {
				i += 2
			}
			i++
		}
	}
	return labels, wire
}

// A name cut anywhere is truncated, and what was whole before the cut is there.
func TestAppendNameTruncated(t *testing.T) {
	const msg = "\x03www\x07example\x03org\x00"
	for n := range len(msg) {
		got, _, err := AppendName(nil, []byte(msg[:n]), 0)
		if err != ErrTruncatedName || !strings.HasPrefix("www.example.org.", string(got)) {
			t.Errorf("%d octets: got %s, %v", n, got, err)
		}
	}
}

func TestLower(t *testing.T) {
	in := []byte("AZaz@[`{0\x00\xc1\xda")
	want := []byte("azaz@[`{0\x00\xc1\xda")
	if got := AppendLower([]byte("X"), in); !bytes.Equal(got, append([]byte("X"), want...)) {
		t.Errorf("got %q", got)
	}
	if got := Lower(in); !bytes.Equal(got, want) || !bytes.Equal(in, want) {
		t.Errorf("got %q", got)
	}
}

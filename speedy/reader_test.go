package speedy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// framed puts the length before an object.
func framed(object string) string { return strconv.Itoa(len(object)) + object }

// good is a message of that number, as 2015 had it.
func good(id int) string {
	return framed(fmt.Sprintf(`{"source":"C0000201","dest":"C6336435","id":"%x","flags":"10","queries":[{"qname":"www.example.org.","qtype":"1","qclass":"1"}]}`, id))
}

// chunks reads r in pieces of random size.
type chunks struct {
	r    io.Reader
	rand *rand.Rand
}

func (c chunks) Read(b []byte) (int, error) {
	return c.r.Read(b[:min(len(b), 1+c.rand.IntN(1<<c.rand.IntN(12)))])
}

// readAll reads all messages and encodes each as it was read.
func readAll(r io.Reader) (objects []string, s ReaderStats, err error) {
	in := NewReader(r)
	a, _ := NewAnonymizer(None, Key{})
	e := NewEncoder(FieldsAll, a)
	var m Message
	for {
		if err = in.Next(&m); err != nil {
			if again := in.Next(&m); again != err {
				err = fmt.Errorf("%w, and then %v", err, again)
			}
			return objects, in.Stats, err
		}
		objects = append(objects, string(e.Append(nil, &m)))
	}
}

// wantSame reads input whole, octet by octet and in random pieces; all must
// give the same.
func wantSame(t *testing.T, input string) (objects []string, s ReaderStats) {
	t.Helper()
	objects, s, err := readAll(strings.NewReader(input))
	if err != io.EOF {
		t.Fatalf("%.100q: %v", input, err)
	}
	readers := []io.Reader{iotest.DataErrReader(strings.NewReader(input)), iotest.HalfReader(strings.NewReader(input))}
	if len(input) < 1<<16 {
		readers = append(readers, iotest.OneByteReader(strings.NewReader(input)))
	}
	for seed := range uint64(3) {
		if len(input) < 1<<16 || seed == 0 {
			readers = append(readers, chunks{strings.NewReader(input), rand.New(rand.NewPCG(seed, 0))})
		}
	}
	for i, r := range readers {
		o, s2, err := readAll(r)
		if diff := cmp.Diff(objects, o); diff != "" || s != s2 || err != io.EOF {
			t.Fatalf("%.200q, reader %d: %+v, %v, otherwise %+v (-whole +pieces):\n%s", input, i, s2, err, s, diff)
		}
	}
	return objects, s
}

// What a reader takes, and what it makes of it when it writes it again.
func TestReaderAccepts(t *testing.T) {
	const q = `"queries":[{"qname":"a.","qtype":"1","qclass":"1"}]`
	f := func(in, want string) {
		t.Helper()
		got, s := wantSame(t, framed(in)+good(1))
		if len(got) != 2 || s != (ReaderStats{Messages: 2}) {
			t.Errorf("%s: %d messages, %+v", in, len(got), s)
		} else if got[0] != want {
			t.Errorf("%s:\n got %s\nwant %s", in, got[0], want)
		}
	}
	ids := `{"id":"0","flags":"0"`
	f(`{}`, ids+`}`)
	f(`{"ID":"1","flags":"0"}`, ids+`}`) // members' names have case
	f(`{"source":"c00002FF","dest":"C00002fe"}`, `{"source":"C00002FF","dest":"C00002FE","id":"0","flags":"0"}`)
	f(`{"source":"20010db80000000000000000000000Ff"}`, `{"source":"20010DB80000000000000000000000FF","id":"0","flags":"0"}`)
	f(`{"flags":"8180","id":"ABCD"}`, `{"id":"abcd","flags":"8180"}`)
	f(`{"id":"00ff","flags":"000000000010"}`, `{"id":"ff","flags":"10"}`)
	f(`{ "id" : "1" , "flags" : "2" , `+"\r\n\t"+`"queries" : [ { "qname" : "A." , "qtype" : "1c" , "qclass" : "FF" } , { "qname" : "." , "qtype" : "1", "qclass" : "1" } ] }`,
		`{"id":"1","flags":"2","queries":[{"qname":"A.","qtype":"1c","qclass":"ff"},{"qname":".","qtype":"1","qclass":"1"}]}`)
	f(`{"queries":[]}`, ids+`}`)
	f(`{"queries":[{}]}`, ids+`}`)
	f(`{"queries":[{"qname":"a.","x":1}]}`, ids+`,"queries":[{"qname":"a.","qtype":"0","qclass":"0"}]}`)
	f(`{"queries":[{"qname":"no.dot","qtype":"1","qclass":"1"},{"qname":"","qtype":"1","qclass":"1"}]}`,
		ids+`,"queries":[{"qname":"no.dot.","qtype":"1","qclass":"1"},{"qname":".","qtype":"1","qclass":"1"}]}`)
	f(`{"queries":[{"qname":"a\\.b\\\\c\\007\\x\"\u003c\/.","qtype":"1","qclass":"1"}]}`,
		ids+`,"queries":[{"qname":"a\\.b\\\\c\\007x\"</.","qtype":"1","qclass":"1"}]}`)
	f(`{"queries":[{"qname":"\u00e9\u00E9é\u20ac\t.","qtype":"1","qclass":"1"}]}`,
		ids+`,"queries":[{"qname":"\\233\\233\\195\\169\\226\\130\\172\\009.","qtype":"1","qclass":"1"}]}`)
	// Unknown members of any kind, in any place; answers are not read back.
	f(`{"x":{"a":[1,-2.5e+7,"\"}",null,true,false,{}],"b":{}},"answers":[{"name":"a.","a":["192.0.2.1"]}],`+q+`,"y":[]}`, ids+`,`+q+`}`)
	f(`{"time":1475762100.123456789,"transport":"tcp","sport":1,"dport":65535,"size":65535,"counts":[1,2,3],"nodata":true}`,
		ids+`,"time":1475762100.123456789,"transport":"tcp","sport":1,"dport":65535,"size":65535,"counts":[1,2,3],"nodata":true}`)
	f(`{"time":7}`, ids+`,"time":7.000000000}`)
	f(`{"time":7.25}`, ids+`,"time":7.250000000}`)
	f(`{"time":7.1234567899}`, ids+`,"time":7.123456789}`)
	f(`{"transport":"pigeon"}`, ids+`}`)
	f(`{"transport":"doq"}`, ids+`,"transport":"doq"}`)
	f(`{"counts":[1]}`, ids+`,"counts":[1,0,0]}`)
	f(`{"counts":[1,2,3,4,5]}`, ids+`,"counts":[1,2,3]}`)
	f(`{"malformed":{"reason":"pointer","offset":30}}`, ids+`,"malformed":{"reason":"pointer","offset":30}}`)
	f(`{"malformed":{"reason":"a bad day","offset":3,"x":[]}}`, ids+`,"malformed":{"reason":"other","offset":3}}`)
	f(`{"edns":{}}`, ids+`,"edns":{"version":"0","udp":0,"do":false,"rcode":"0"}}`)
	f(`{"flags":"3","edns":{"version":"1","udp":4096,"do":true,"rcode":"13","options":[{"code":"3","data":"0aFF"},{"code":"A"},{"data":""}]}}`,
		`{"id":"0","flags":"3","edns":{"version":"1","udp":4096,"do":true,"rcode":"13","options":[{"code":"3","data":"0aff"},{"code":"a","data":""},{"code":"0","data":""}]}}`)
	f(`{"edns":{"options":[{"subnet":"cb007101/24","scope":8,"code":"8"},{"code":"8","subnet":""},{"code":"8","subnet":"20010DB8000000000000000000000001/0","scope":1}]}}`,
		ids+`,"edns":{"version":"0","udp":0,"do":false,"rcode":"0","options":[{"code":"8","scope":8,"subnet":"CB007101/24"},{"code":"8","subnet":""},{"code":"8","scope":1,"subnet":"20010DB8000000000000000000000001/0"}]}}`)
	f(`{"id":"1","id":"2"}`, `{"id":"2","flags":"0"}`)
	f(`{"x":`+strings.Repeat("[", 60)+strings.Repeat("]", 60)+`}`, ids+`}`)
}

// The example of the format's description, whose length is short by seven.
func TestReaderExample(t *testing.T) {
	const object = `{"source":"0E402AE7","dest":"6DFA5FD7","id":"2e13","flags":"10","queries":[{"qname":"www.ejemplo.cl.","qtype":"1","qclass":"1"}]}`
	got, s := wantSame(t, strings.Repeat("129"+object, 3))
	if want := []string{object, object, object}; cmp.Diff(want, got) != "" {
		t.Errorf("got %q", got)
	}
	want := ReaderStats{Messages: 3}
	if len(object) != 129 {
		want.Length = 3
	}
	if s != want {
		t.Errorf("%+v, want %+v", s, want)
	}
}

// Bad messages between good ones are counted once each, and the next good one
// is found.
func TestReaderBad(t *testing.T) {
	f := func(name, bad string, want ReaderStats) {
		t.Helper()
		want.Messages += 3
		for _, input := range []string{good(1) + bad + good(2) + good(3), "\n" + good(1) + "\n \t\r\n" + bad + "\n" + good(2) + "\n" + good(3) + "\n"} {
			got, s := wantSame(t, input)
			var ids []string
			for _, o := range got {
				if _, o, ok := strings.Cut(o, `"id":"`); ok && strings.Contains(o, "www.example.org.") {
					ids = append(ids, o[:1])
				}
			}
			if strings.Join(ids, "") != "123" || s != want {
				t.Errorf("%s: messages %v, %+v, want %+v", name, ids, s, want)
			}
		}
	}
	bad, wrong := ReaderStats{Bad: 1}, ReaderStats{Messages: 1, Length: 1}
	object := `{"id":"7","flags":"10"}`
	f("nothing bad", "", ReaderStats{})
	f("another good one", framed(object), ReaderStats{Messages: 1})
	f("length too short", "5"+object, wrong)
	f("length too long", "60"+object, wrong)
	f("length far too long", "99999"+object, wrong)
	f("length 0", "0"+object, wrong)
	f("length with zeros", "00000023"+object, ReaderStats{Messages: 1})
	f("length with more digits than any", "000000000023"+object, bad)
	f("more digits than fit", "92233720368547758070"+object, bad)
	f("a length over 4 MiB", "4194305"+object, bad)
	f("no length", object, bad)
	f("no length, twice", object+object, bad)
	f("a negative length", "-"+framed(object), ReaderStats{Messages: 1, Bad: 1})
	f("a length alone", "23 ", bad)
	f("text", "hello, {world}", bad)
	f("text with a number", "there were 17 {of them}", bad)
	f("a brace", "{", bad)
	f("braces", "}{}{", bad)
	f("quotes", `""""`, bad)
	f("no JSON", framed("{hello world}"), bad)
	f("comma at the end", framed(`{"id":"1",}`), bad)
	f("no quotes", framed(`{"id":1}`), bad)
	f("not hexadecimal", framed(`{"id":"xyz"}`), bad)
	f("hexadecimal of nothing", framed(`{"flags":""}`), bad)
	f("over 16 bits", framed(`{"flags":"10000"}`), bad)
	f("address of seven digits", framed(`{"source":"C000020"}`), bad)
	f("address of no digits", framed(`{"source":"C000020g"}`), bad)
	f("label over 63", framed(`{"queries":[{"qname":"`+strings.Repeat("a", 64)+`."}]}`), bad)
	f("name over 255", framed(`{"queries":[{"qname":"`+strings.Repeat("abcdefg.", 32)+`"}]}`), bad)
	f("empty label", framed(`{"queries":[{"qname":"a..b."}]}`), bad)
	f("escape over 255", framed(`{"queries":[{"qname":"\\256."}]}`), bad)
	f("half an escape", framed(`{"queries":[{"qname":"a\\"}]}`), bad)
	f("port over 16 bits", framed(`{"sport":65536}`), bad)
	f("negative size", framed(`{"size":-1}`), bad)
	f("time without digits", framed(`{"time":1.}`), bad)
	f("time of another age", framed(`{"time":99999999999}`), bad)
	f("nodata not true", framed(`{"nodata":"true"}`), bad)
	f("subnet over 32", framed(`{"edns":{"options":[{"code":"8","subnet":"C0000200/33"}]}}`), bad)
	f("odd data", framed(`{"edns":{"options":[{"code":"3","data":"abc"}]}}`), bad)
	f("control character", framed("{\"x\":\"\n\"}"), bad)
	f("escape of nothing", framed(`{"x":"\q"}`), bad)
	f("bad \\u", framed(`{"x":"\u00g0"}`), bad)
	f("nested deeply", framed(`{"x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`}`), bad)
	f("two bad ones", framed(`{"id":1}`)+framed(`{"id":2}`), bad)
	f("two bad ones, a good one between", framed(`{"id":1}`)+framed(object)+framed(`{"id":2}`), ReaderStats{Messages: 1, Bad: 2})
	f("zeros", strings.Repeat("\x00", 1000), bad)
	f("binary", "\xff\xfe\x00\x01{\x7f", bad)
	// Cut short: what follows may be inside of what was promised.
	whole := good(9)
	for i := 1; i < len(whole)-1; i++ {
		f(fmt.Sprintf("cut after %d octets", i), whole[:i]+"\n", bad)
	}
}

// What the end of the input cuts is bad, and nothing of it is made up.
func TestReaderEnd(t *testing.T) {
	whole := good(2)
	for i := range whole {
		got, s := wantSame(t, good(1)+whole[:i])
		want := ReaderStats{Messages: 1, Bad: 1}
		if i == 0 {
			want.Bad = 0
		}
		if s != want || len(got) != 1 {
			t.Errorf("cut after %d: %+v", i, s)
		}
	}
	// A length too long at the end.
	got, s := wantSame(t, good(1)+`999{"id":"2"}`)
	if len(got) != 2 || s != (ReaderStats{Messages: 2, Length: 1}) {
		t.Errorf("%q %+v", got, s)
	}
	if got, s := wantSame(t, " \n"); len(got) != 0 || s != (ReaderStats{}) {
		t.Errorf("%q %+v", got, s)
	}
}

// An error of reading is returned, after the messages before it.
func TestReaderError(t *testing.T) {
	broken := errors.New("broken pipe")
	for i := range good(2) {
		r := io.MultiReader(strings.NewReader(good(1)+good(2)[:i]), iotest.ErrReader(broken))
		got, s, err := readAll(r)
		if err != broken || len(got) != 1 || s.Messages != 1 {
			t.Errorf("after %d octets: %d messages, %+v, %v", i, len(got), s, err)
		}
	}
}

// Objects up to 4 MiB are read, longer ones are bad, whatever their length says.
func TestReaderLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long where races are looked for, and has none")
	}
	object := func(n int) string {
		return `{"id":"7","x":"` + strings.Repeat("x", n-17) + `"}`
	}
	f := func(in string, want ReaderStats) {
		t.Helper()
		want.Messages += 2
		if got, s := wantSame(t, good(1)+in+good(2)); s != want || len(got) != int(want.Messages) {
			t.Errorf("%.30s: %d messages, %+v, want %+v", in, len(got), s, want)
		}
	}
	f(framed(object(MaxObject)), ReaderStats{Messages: 1})
	f("100"+object(MaxObject), ReaderStats{Messages: 1, Length: 1})
	f(framed(object(MaxObject+1)), ReaderStats{Bad: 1})
	f("100"+object(MaxObject+1), ReaderStats{Bad: 1})
	f(framed(`{"id":"7"`+strings.Repeat(" ", 3*MaxObject)+"}"), ReaderStats{Bad: 1})
}

// zeros never ends.
type zeros struct{ c byte }

func (z zeros) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = z.c
	}
	return len(b), nil
}

// Endless input of no message takes no more memory than the longest message.
func TestReaderMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long where races are looked for, and has none")
	}
	for _, c := range []string{"0", "1", "x", "{", " ", "\n"} {
		for _, before := range []string{"", "4194304{", `100{"x":"`} {
			var from, to runtime.MemStats
			runtime.ReadMemStats(&from)
			r := NewReader(io.MultiReader(strings.NewReader(before), io.LimitReader(zeros{c[0]}, 16<<20)))
			err := r.Next(new(Message))
			runtime.ReadMemStats(&to)
			if err != io.EOF || r.Stats.Messages != 0 {
				t.Errorf("%q and %q: %v, %+v", before, c, err, r.Stats)
			}
			if got := to.TotalAlloc - from.TotalAlloc; got > 24<<20 || cap(r.buf) > 12<<20 {
				t.Errorf("%q and %q: %d octets allocated, buffer %d", before, c, got, cap(r.buf))
			}
		}
	}
}

func TestReaderAllocates(t *testing.T) {
	input := strings.Repeat(good(1)+framed(`{"id":"1","flags":"0",`+mxQuery+`,`+flow+`"size":1,"counts":[2,1,3],`+mxEDNS+`}`), 500)
	r := NewReader(strings.NewReader(input))
	var m Message
	for range 10 { // its buffers grow
		if err := r.Next(&m); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(900, func() {
		if err := r.Next(&m); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzReader: any input gives the same in any pieces, and a message that was
// read gives the same octets when it is written, read and written again.
func FuzzReader(f *testing.F) {
	e := NewEncoder(FieldsAll, anonymizer(f, None, zeroKey))
	for _, b := range [][]byte{aQuery, aResponse, escapes, aResponse[:60]} {
		f.Add(string(e.AppendFramed(nil, message(b))), uint64(1))
	}
	f.Add(good(1)+"12{xx"+good(2)[1:]+"\n99999"+good(3)[3:]+"000000000"+good(4), uint64(2))
	f.Fuzz(func(t *testing.T, in string, seed uint64) {
		objects, s, err := readAll(strings.NewReader(in))
		if err != io.EOF || uint64(len(objects)) != s.Messages || s.Length > s.Messages || s.Bad > uint64(len(in)) {
			t.Fatalf("%d messages, %+v, %v", len(objects), s, err)
		}
		o, s2, err := readAll(chunks{strings.NewReader(in), rand.New(rand.NewPCG(seed, 0))})
		if diff := cmp.Diff(objects, o); diff != "" || s != s2 || err != io.EOF {
			t.Fatalf("in pieces %+v, %v, whole %+v (-whole +pieces):\n%s", s2, err, s, diff)
		}
		var again bytes.Buffer
		for _, o := range objects {
			again.WriteString(framed(o))
		}
		o, s, err = readAll(&again)
		if diff := cmp.Diff(objects, o); diff != "" || err != io.EOF || s != (ReaderStats{Messages: uint64(len(objects))}) {
			t.Fatalf("again %+v, %v (-once +twice):\n%s", s, err, diff)
		}
	})
}

// FuzzRoundTrip: what is encoded from a packet is read back, and encodes to
// the same octets, but for the records, which are not read.
func FuzzRoundTrip(f *testing.F) {
	for _, b := range [][]byte{aQuery, aResponse, escapes, aResponse[:60], many(3, 63)} {
		f.Add(b, moment)
	}
	e := NewEncoder(FieldsAll&^(FieldAnswers|FieldAuthorities|FieldAdditionals), anonymizer(f, None, zeroKey))
	f.Fuzz(func(t *testing.T, b []byte, ns int64) {
		m := message(b)
		m.Time = min(ns, maxSeconds*1e9)
		want := e.AppendFramed(nil, m)
		var got Message
		r := NewReader(bytes.NewReader(want))
		if err := r.Next(&got); err != nil {
			t.Fatalf("%v\n%s", err, want)
		}
		if bytes.Contains(want, []byte(`"cut":true`)) {
			return
		}
		if again := e.AppendFramed(nil, &got); !bytes.Equal(again, want) {
			t.Errorf("got  %s\nwant %s", again, want)
		}
		if r.Stats != (ReaderStats{Messages: 1}) {
			t.Errorf("%+v", r.Stats)
		}
	})
}

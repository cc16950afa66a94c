package reduce

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"ratadns/report"
)

// randomWhere writes expressions that are right, of all that there is.
func randomWhere(rng *rand.Rand, depth int) string {
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	if depth > 0 {
		a, b := randomWhere(rng, depth-1), randomWhere(rng, depth-1)
		switch rng.IntN(7) {
		case 0, 1:
			return "(" + a + " and " + b + ")"
		case 2, 3:
			return "(" + a + " or " + b + ")"
		case 4:
			return "not (" + a + ")"
		case 5:
			return "(" + a + " ? " + b + " : " + randomWhere(rng, depth-1) + ")"
		}
		return "((" + a + ") " + pick("==", "!=") + " (" + b + "))"
	}
	f := &Fields[rng.IntN(len(Fields))]
	for f.with != nil { // one with arguments is no word of an expression
		f = &Fields[rng.IntN(len(Fields))]
	}
	compared := pick("==", "!=", "<", "<=", ">", ">=")
	switch f.Kind {
	case Flag:
		return pick(f.Name, "not "+f.Name, f.Name+" == true", f.Name+" != false", f.Name+" == rd")
	case Number, Code:
		n := pick("0", "1", "2", "12", "28", "53", "512", "65400", "-1", "3 * 7")
		if f.Kind == Code {
			n = pick("0", "1", `"`+f.codes.name(2)+`"`, `"`+f.codes.name(3)+`"`, "28", "300")
		}
		other := pick("size", "qtype", "labels", "edns_size", "client_port")
		return pick(
			f.Name+" "+compared+" "+n, n+" "+compared+" "+f.Name, f.Name+" "+compared+" "+other,
			f.Name+pick(" in ", " not in ")+"["+n+", 1, 28, 3]", f.Name+" in 1..28",
			"("+f.Name+" + 1) "+compared+" 29", f.Name+" % 2 == 0",
		)
	case Choice:
		w := `"` + f.choices()[rng.IntN(len(f.choices()))] + `"`
		return pick(f.Name+pick(" == ", " != ")+w, f.Name+pick(" in ", " not in ")+"["+w+"]", "len("+f.Name+") "+compared+" 3")
	case Address, Subnet:
		a := pick("192.0.2.10", "2001:db8::10", "198.51.100.53")
		if f.Kind == Subnet {
			a = pick("192.0.2.0/24", "2001:db8::/48", "198.51.100.0/24")
		}
		p := pick("192.0.2.0/24", "2001:db8::/32", "0.0.0.0/0", "192.0.2.11")
		return pick(f.Name+pick(" == ", " != ")+`"`+a+`"`, f.Name+pick(" in ", " not in ")+`"`+p+`"`, f.Name+` in ["`+a+`","`+p+`"]`, f.Name+pick(" == ", " in ")+"server")
	}
	text := pick("www.example.cl.", "WWW.", ".CL.", ".", "example.", "_dmarc.")
	return pick(
		f.Name+pick(" == ", " != ", " contains ", " startsWith ", " endsWith ", " not endsWith ", " < ")+`"`+text+`"`,
		f.Name+` matches "^[W_].*\\.C"`, f.Name+pick(" in ", " not in ")+`["`+text+`", "WWW.EXAMPLE.CL"]`,
		f.Name+" == "+f.Name, "len("+f.Name+") "+compared+" 16", "any(split("+f.Name+`, "."), len(#) > 3 and `+randomWhere(rng, 0)+")",
	)
}

// TestWhereAgrees: what closures say, the VM says.
func TestWhereAgrees(t *testing.T) {
	messages, event := whereMessages(t), NewEvent(plain(t))
	rng := rand.New(rand.NewPCG(1, 2))
	compiled := 0
	for range 3000 {
		text := randomWhere(rng, rng.IntN(4))
		w, err := CompileWhere(text)
		if err != nil {
			// Names that are none, two comparisons of each part, and matches of
			// something else in one.
			s := err.Error()
			if !strings.Contains(s, "is not a name") && !strings.Contains(s, "cannot stand inside") && !strings.Contains(s, "only # can be matched") {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		compiled++
		agree(t, w, event, messages)
	}
	if compiled < 2000 {
		t.Errorf("only %d expressions were compared", compiled)
	}
}

// FuzzWhere: any text compiles or says where it does not, and runs without a
// panic and in the time that its length says.
func FuzzWhere(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		f.Add(randomWhere(rng, rng.IntN(3)))
	}
	for _, s := range []string{`((`, `a.b?.c ?? nil`, `{a: [1, #]} | map(.x)`, `let x = 1; x`, `if rd { tc } else { aa }`, `qname[1:][0] == "x"`, "`x`", `1 < size < 3`} {
		f.Add(s)
	}
	messages, event := whereMessages(f), NewEvent(plain(f))
	f.Fuzz(func(t *testing.T, text string) {
		w, err := CompileWhere(text)
		if err != nil {
			if at, ok := err.(*WhereError); !ok || at.Line < 1 || at.Column < 1 || at.Message == "" {
				t.Errorf("%q: %#v says not where", text, err)
			}
			return
		}
		for _, m := range messages {
			event.Set(m)
			begin := time.Now()
			w.Match(event)
			// A bound far beyond what is meant, so that a busy machine passes.
			if d := time.Since(begin); d > 10*time.Second {
				t.Errorf("%q took %s", text, d)
			}
		}
	})
}

// closures are expressions that run without the VM.
var closures = []string{
	`rcode == "NXDOMAIN"`, `qtype in ["A", "AAAA", 65400]`, `qname endsWith ".cl."`, `qname == "www.example.cl"`,
	`client in "192.0.2.0/24"`, `tc and not rd or size in 12..512`, `qname matches "^www"`, `malformed != "no"`,
	`client == server or questions > answers`,
}

// TestWhereAllocates: closures allocate nothing.
func TestWhereAllocates(t *testing.T) {
	messages, event := whereMessages(t), NewEvent(plain(t))
	event.Set(messages['q'])
	event.Qname() // whose buffer grows once
	for _, text := range closures {
		w := mustWhere(t, text)
		if n := testing.AllocsPerRun(100, func() { event.Set(messages['q']); w.Match(event) }); n != 0 {
			t.Errorf("%s allocates %v times", text, n)
		}
	}
}

func mustWhere(t testing.TB, text string) *Where {
	t.Helper()
	w, err := CompileWhere(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return w
}

// TestWhereOfCatalogue: the filters of the catalogue are right, and of events
// that the entry sees.
func TestWhereOfCatalogue(t *testing.T) {
	for _, e := range Catalog {
		if e.Filter == "" || e.Where != nil {
			continue
		}
		w, err := CompileWhere(e.Filter)
		if err == nil {
			err = w.Suits(e.Of)
		}
		if err != nil {
			t.Errorf("%s: %v", e.Name, err)
		}
	}
}

// TestWhereShared: a filter that several reducers have is asked once, an entry's
// and its use's have both to hold, and what fails is counted, not selected.
func TestWhereShared(t *testing.T) {
	entry := &Entry{Name: "Responses", Of: Responses, Filter: `rcode == "NXDOMAIN"`, By: dims("qtype")}
	all := &Entry{Name: "All", Of: Messages, By: dims("qtype")}
	uses := []Use{
		{Entry: entry},
		{Entry: entry, Params: Params{Where: mustWhere(t, `qtype == "A"`)}},
		{Entry: all, Params: Params{Where: mustWhere(t, `qtype == "A"`)}},
		{Entry: all, Params: Params{Where: mustWhere(t, `size % answers == 0`)}},
		{Entry: all, Params: Params{Where: mustWhere(t, `not (size % answers == 0)`)}},
	}
	workers := []*Window{}
	event := NewEvent(plain(t))
	messages := whereMessages(t)
	for range 2 {
		g := NewGroup(uses, 2)
		if len(g.filters) != 4 {
			t.Fatalf("%d filters, want 4", len(g.filters))
		}
		w := g.NewWindow()
		for _, letter := range []byte(whereLetters) {
			event.Set(messages[letter])
			w.Add(event)
		}
		workers = append(workers, w)
	}
	workers[0].Merge(workers[1])
	var got []string
	for i := range uses {
		rep := report.Report{Window: report.Window{End: 10e9}}
		workers[0].Report(i, &rep)
		got = append(got, string(rep.Data))
	}
	// Only b has an answer, by its header.
	want := []string{`{"1c":2}`, `{}`, `{"1":2}`, `{"10":2}`, `{}`}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	failed := ""
	workers[0].Failures(func(where string, n uint64, first error) { failed += fmt.Sprintf("%s: %d: %v\n", where, n, first) })
	if want := "size % answers == 0: 8: integer divide by zero\nnot (size % answers == 0): 8: integer divide by zero\n"; failed != want {
		t.Errorf("failures:\n%swant:\n%s", failed, want)
	}
	workers[0].Reset()
	workers[0].Failures(func(where string, n uint64, _ error) { t.Errorf("after Reset %s has %d failures", where, n) })
}

func BenchmarkWhere(b *testing.B) {
	messages, event := whereMessages(b), NewEvent(plain(b))
	event.Set(messages['r'])
	for _, text := range append([]string{`len(qname) > 40`, `rcode == "NXDOMAIN" and len(qname) > 40`}, closures...) {
		w := mustWhere(b, text)
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.Match(event)
			}
		})
	}
}

// BenchmarkDeclaredWhere is what a reducer costs that someone declares: one
// comparison and one dimension, of each message. shared is eight of them with
// one filter, each.
func BenchmarkDeclaredWhere(b *testing.B) {
	msgs := traffic(b, 1, 2000)
	entry := &Entry{Name: "Mine", Of: Messages, By: dims("qtype")}
	for _, c := range []struct {
		name, where string
		n           int
	}{{"none", "", 0}, {"without", "", 1}, {"code", `opcode == "QUERY"`, 1}, {"shared", `opcode == "QUERY"`, 8}, {"shared VM", `len(qname) > 10`, 8}} {
		b.Run(c.name, func(b *testing.B) {
			var uses []Use
			for range c.n {
				u := Use{Entry: entry}
				if c.where != "" {
					u.Where = mustWhere(b, c.where)
				}
				uses = append(uses, u)
			}
			w := NewGroup(uses, 1).NewWindow()
			batch := testBatch(b)
			b.ReportAllocs()
			for b.Loop() {
				w.addAll(batch, msgs)
				w.Reset()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(msgs)*max(c.n, 1)), "ns/message")
		})
	}
}

package reduce

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"ratadns/dns"
)

// A test is a comparison of a field with constants, or with another field. An
// event that does not have the field does not pass, unless orAbsent.
type test struct {
	field    *Field
	other    *Field
	op       string // with other, and of text
	spans    []span // that a number is in one of, ascending
	text     string
	texts    []string // that octets are one of, ascending
	pattern  *regexp.Regexp
	addrs    *addressSet
	orAbsent bool
}

// A span is numbers from low to high.
type span struct{ low, high uint32 }

// phrase is the kind in a sentence.
func (k Kind) phrase() string {
	switch k {
	case Flag:
		return "true or false"
	case Choice:
		return "a word of a list"
	case Text:
		return "text"
	case Address:
		return "an address"
	}
	return "a " + k.String()
}

// example is a comparison of the field that would do.
func (f *Field) example() string {
	switch f.Kind {
	case Number:
		return f.Name + " > 10"
	case Code:
		return fmt.Sprintf("%s == %q", f.Name, f.codes.name(1))
	case Flag:
		return "not " + f.Name
	case Choice:
		return fmt.Sprintf("%s == %q", f.Name, f.words[len(f.words)-1])
	case Name:
		return fmt.Sprintf("%s == %q", f.Name, "example.org.")
	case Address, Subnet:
		return fmt.Sprintf("%s in %q", f.Name, "192.0.2.0/24")
	}
	return fmt.Sprintf("%s == %q", f.Name, "text")
}

// A comparison is what a test is made of.
type comparison struct {
	f    *Field
	op   string
	word ast.Node // where the field stands
}

// with makes the test of the right side, which may be the field g. It is nil
// where the VM has to compare.
func (c *comparison) with(g *Field, right ast.Node) (*test, error) {
	if g != nil {
		return c.withField(g, right)
	}
	items := []ast.Node{right}
	array, list := right.(*ast.ArrayNode)
	if list {
		items = array.Nodes
	}
	limits, isRange := right.(*ast.BinaryNode)
	isRange = isRange && limits.Operator == ".."
	if isRange {
		items = []ast.Node{limits.Left, limits.Right}
	}
	for _, n := range items {
		if !constant(n) {
			return nil, nil
		}
	}
	switch {
	case list && c.op != "in":
		return nil, placed(at(right), "%s wants one value, a list stands after in", c.op)
	case c.op == "in" && !list && !isRange && c.f.Kind < Address:
		return nil, placed(at(right), "in wants a list, as in %s in [%s]", c.f.Name, strings.TrimPrefix(c.f.example()[strings.LastIndexByte(c.f.example(), ' '):], " "))
	case isRange && (c.op != "in" || c.f.Kind != Number && c.f.Kind != Code):
		return nil, placed(at(right), "a range stands after in, with a number before it, as in size in 512..1232")
	}
	switch c.f.Kind {
	case Number, Code:
		return c.numbers(items, isRange)
	case Flag:
		return c.flag(right)
	case Choice:
		return c.words(items)
	case Name, Text:
		return c.octets(items)
	}
	return c.addresses(items)
}

// constant reports whether n is written out.
func constant(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.StringNode, *ast.BoolNode, *ast.NilNode:
		return true
	case *ast.UnaryNode:
		return (n.Operator == "-" || n.Operator == "+") && constant(n.Node)
	case *ast.BinaryNode:
		_, ok := integer(n)
		return ok
	}
	return false
}

// integer is the value of a whole number, or of a sum or product of them.
func integer(n ast.Node) (int, bool) {
	const limit = 1 << 40 // of which no product overflows
	var v int
	switch n := n.(type) {
	case *ast.IntegerNode:
		v = n.Value
	case *ast.UnaryNode:
		a, ok := integer(n.Node)
		switch {
		case !ok || n.Operator != "-" && n.Operator != "+":
			return 0, false
		case n.Operator == "-":
			a = -a
		}
		v = a
	case *ast.BinaryNode:
		a, ok := integer(n.Left)
		b, ok2 := integer(n.Right)
		switch {
		case !ok || !ok2:
			return 0, false
		case n.Operator == "+":
			v = a + b
		case n.Operator == "-":
			v = a - b
		case n.Operator == "*" && max(a, -a) < 1<<20 && max(b, -b) < 1<<20:
			v = a * b
		default:
			return 0, false
		}
	default:
		return 0, false
	}
	return v, v > -limit && v < limit
}

// refuse is the error of a constant that the field cannot be compared with.
func (c *comparison) refuse(n ast.Node) error {
	what := "this"
	switch n := n.(type) {
	case *ast.StringNode:
		what = fmt.Sprintf("%q", n.Value)
	case *ast.IntegerNode:
		what = fmt.Sprint(n.Value)
	case *ast.FloatNode:
		what = fmt.Sprint(n.Value)
	case *ast.BoolNode:
		what = fmt.Sprint(n.Value)
	}
	return placed(at(n), "%s is %s and cannot be compared with %s; %s would do", c.f.Name, c.f.Kind.phrase(), what, c.f.example())
}

// only refuses comparisons other than those.
func (c *comparison) only(ops ...string) error {
	if slices.Contains(ops, c.op) {
		return nil
	}
	return placed(at(c.word), "%s is %s, which %s does not compare; %s would do", c.f.Name, c.f.Kind.phrase(), c.op, c.f.example())
}

func (c *comparison) numbers(items []ast.Node, isRange bool) (*test, error) {
	if err := c.only("==", "<", "<=", ">", ">=", "in"); err != nil {
		return nil, err
	}
	t := &test{field: c.f}
	var values []int
	for _, n := range items {
		if s, ok := n.(*ast.StringNode); ok && c.f.absent != "" && s.Value == c.f.absent && c.op != "<" && c.op != ">" && !isRange {
			t.orAbsent = true
			continue
		}
		v, err := c.number(n)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	add := func(low, high int) {
		low, high = max(low, 0), min(high, math.MaxUint32)
		if low <= high {
			t.spans = append(t.spans, span{uint32(low), uint32(high)})
		}
	}
	for _, v := range values {
		switch {
		case isRange:
			add(values[0], values[1])
			return t, nil
		case c.op == "<":
			add(0, v-1)
		case c.op == "<=":
			add(0, v)
		case c.op == ">":
			add(v+1, math.MaxUint32)
		case c.op == ">=":
			add(v, math.MaxUint32)
		default:
			add(v, v)
		}
	}
	t.join()
	return t, nil
}

// number is the number that n says, of a code by its mnemonic too.
func (c *comparison) number(n ast.Node) (int, error) {
	if s, ok := n.(*ast.StringNode); ok && c.f.Kind == Code {
		v, ok := c.f.codes.byName(s.Value)
		if !ok {
			return 0, placed(at(n), "unknown %s %q; %s would do", c.f.Name, s.Value, c.f.example())
		}
		return int(v), nil
	}
	v, ok := integer(n)
	if !ok {
		return 0, c.refuse(n)
	}
	if c.f.Kind == Code && (v < 0 || v > math.MaxUint16) {
		return 0, placed(at(n), "%s is 0 to 65535, got %d", c.f.Name, v)
	}
	return v, nil
}

// join sorts spans and makes one of those that touch.
func (t *test) join() {
	slices.SortFunc(t.spans, func(a, b span) int { return int(int64(a.low) - int64(b.low)) })
	joined := t.spans[:0]
	for _, s := range t.spans {
		if k := len(joined) - 1; k >= 0 && uint64(s.low) <= uint64(joined[k].high)+1 {
			joined[k].high = max(joined[k].high, s.high)
			continue
		}
		joined = append(joined, s)
	}
	t.spans = joined
}

func (c *comparison) flag(n ast.Node) (*test, error) {
	b, ok := n.(*ast.BoolNode)
	if !ok {
		return nil, c.refuse(n)
	}
	if err := c.only("=="); err != nil {
		return nil, err
	}
	v := bit(b.Value)
	return &test{field: c.f, spans: []span{{v, v}}}, nil
}

// words looks for the words of a choice when the expression is compiled.
func (c *comparison) words(items []ast.Node) (*test, error) {
	if err := c.only("==", "in", "matches", "contains", "startsWith", "endsWith"); err != nil {
		return nil, err
	}
	t := &test{field: c.f}
	for _, n := range items {
		s, ok := n.(*ast.StringNode)
		if !ok {
			return nil, c.refuse(n)
		}
		matches, err := c.matcher(s)
		if err != nil {
			return nil, err
		}
		found := false
		if c.f.absent != "" && matches(c.f.absent) {
			t.orAbsent, found = true, true
		}
		for i, word := range c.f.words {
			if word != "" && matches(word) {
				t.spans, found = append(t.spans, span{uint32(i), uint32(i)}), true
			}
		}
		if !found {
			return nil, placed(at(n), "no %s is like %q; there are %s", c.f.Name, s.Value, strings.Join(c.f.choices(), ", "))
		}
	}
	t.join()
	return t, nil
}

// choices are the words of a choice.
func (f *Field) choices() (words []string) {
	for _, w := range f.words {
		if w != "" {
			words = append(words, w)
		}
	}
	if f.absent != "" {
		words = append(words, f.absent)
	}
	return words
}

// matcher compares a word with s.
func (c *comparison) matcher(s *ast.StringNode) (func(string) bool, error) {
	switch c.op {
	case "matches":
		re, err := compilePattern(s)
		return func(w string) bool { return re.MatchString(w) }, err
	case "contains":
		return func(w string) bool { return strings.Contains(w, s.Value) }, nil
	case "startsWith":
		return func(w string) bool { return strings.HasPrefix(w, s.Value) }, nil
	case "endsWith":
		return func(w string) bool { return strings.HasSuffix(w, s.Value) }, nil
	}
	return func(w string) bool { return strings.EqualFold(w, s.Value) }, nil
}

// octets are those of names and texts. Names have no case: keys are lower-cased,
// and so are the constants here.
func (c *comparison) octets(items []ast.Node) (*test, error) {
	t := &test{field: c.f, op: c.op}
	for _, n := range items {
		s, ok := n.(*ast.StringNode)
		if !ok {
			return nil, c.refuse(n)
		}
		text := s.Value
		if c.f.Kind == Name {
			text = string(dns.AppendLower(nil, []byte(text)))
		}
		switch c.op {
		case "==", "in":
			t.op = "=="
			if c.f.absent != "" && s.Value == c.f.absent {
				t.orAbsent = true
			}
			if c.f.Kind == Name {
				names, err := nameForms(n, s.Value)
				if err != nil {
					return nil, err
				}
				t.texts = append(t.texts, names...)
			} else {
				t.texts = append(t.texts, text)
			}
		case "matches":
			// Not the pattern is lower-cased, since \S is not \s.
			pattern := s.Value
			if c.f.Kind == Name {
				pattern = "(?i)" + pattern
			}
			var err error
			if t.pattern, err = regexp.Compile(pattern); err != nil {
				return nil, placed(at(n), "%s", err)
			}
			t.text = pattern
		case "endsWith":
			if c.f.absolute && !strings.HasSuffix(text, ".") {
				return nil, placed(at(n), "%s ends in a dot: %q would do", c.f.Name, s.Value+".")
			}
			t.text = text
		case "contains", "startsWith":
			t.text = text
		default: // < and the like, of strings
			return nil, nil
		}
	}
	slices.Sort(t.texts)
	t.texts = slices.Compact(t.texts)
	return t, nil
}

// nameForms are the keys that a name equals, absolute or a part of one, which
// has no dot at its end.
func nameForms(n ast.Node, text string) ([]string, error) {
	wire, _, err := dns.AppendWire(nil, []byte(text))
	var name []byte
	if err == nil && text != "" {
		name, _, err = dns.AppendName(nil, wire, 0)
	}
	if err != nil || text == "" {
		return nil, placed(at(n), `%q is not a name: labels have 1 to 63 octets, a name 255 at most, and the root is "."`, text)
	}
	dns.Lower(name)
	if len(name) == 1 {
		return []string{"."}, nil
	}
	return []string{string(name[:len(name)-1]), string(name)}, nil
}

// withField compares two fields.
func (c *comparison) withField(g *Field, right ast.Node) (*test, error) {
	f := c.f
	t := &test{field: f, other: g, op: c.op}
	mismatch := placed(at(right), "%s is %s and %s is %s, which cannot be compared by %s", f.Name, f.Kind.phrase(), g.Name, g.Kind.phrase(), c.op)
	class := func(f *Field) int {
		return [...]int{Number: 1, Code: 1, Flag: 2, Choice: 3, Name: 3, Text: 3, Address: 4, Subnet: 4}[f.Kind]
	}
	switch {
	case class(f) != class(g):
		return nil, mismatch
	case f.Kind >= Address:
		if c.op != "==" && c.op != "in" {
			return nil, mismatch
		}
		return t, nil
	case f.Kind == Flag:
		if c.op != "==" {
			return nil, mismatch
		}
		return t, nil
	case f.Kind == Number || f.Kind == Code:
		if mirrored[c.op] == "" {
			return nil, mismatch
		}
		return t, nil
	case f.Kind >= Name && g.Kind >= Name && c.op == "==":
		return t, nil
	case c.op == "in":
		return nil, mismatch
	}
	return nil, nil
}

package reduce

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// A cond is an expression that says yes or no, in the form that closures and
// programs of the VM are made of.
type cond struct {
	op      condOp
	a, b, c *cond
	test    *test
	// What no test says, for the VM, and the fields that it compares: an event
	// without one of them is not selected by it.
	node   ast.Node
	guards []*Field
	vm     *program
}

type condOp uint8

const (
	condFalse condOp = iota
	condTrue
	condAnd // a, b
	condOr
	condNot  // a
	condIf   // a ? b : c
	condTest // test
	condVM   // node
)

// lowering makes conds of the parser's tree. It knows what the fields are, so
// that its errors can say what would do.
type lowering struct {
	all         []*Field // that occur
	used        []*Field // in the comparison at hand
	inPredicate bool
}

func at(n ast.Node) int { return n.Location().From }

// cond lowers what has to be true or false.
func (l *lowering) cond(n ast.Node) (*cond, error) {
	switch n := n.(type) {
	case *ast.BoolNode:
		if n.Value {
			return &cond{op: condTrue}, nil
		}
		return &cond{op: condFalse}, nil
	case *ast.IdentifierNode:
		f, err := l.field(n)
		if err != nil {
			return nil, err
		}
		if f.Kind != Flag {
			return nil, placed(at(n), "%s is %s, neither true nor false; compare it, as in %s", f.Name, f.Kind.phrase(), f.example())
		}
		return testOf(&test{field: f, spans: []span{{1, 1}}}), nil
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			a, err := l.cond(n.Node)
			return &cond{op: condNot, a: a}, err
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "and", "&&":
			return l.pair(condAnd, n)
		case "or", "||":
			return l.pair(condOr, n)
		case "!=":
			a, err := l.compare(n, "==")
			return &cond{op: condNot, a: a}, err
		}
		if isComparison(n.Operator) {
			return l.compare(n, n.Operator)
		}
	case *ast.ConditionalNode:
		a, err := l.cond(n.Cond)
		if err != nil {
			return nil, err
		}
		b, err := l.cond(n.Exp1)
		if err != nil {
			return nil, err
		}
		c, err := l.cond(n.Exp2)
		return &cond{op: condIf, a: a, b: b, c: c}, err
	case *ast.IntegerNode, *ast.FloatNode:
		return nil, placed(at(n), `a number is neither true nor false; compare it with a field, as in size > 512`)
	case *ast.StringNode:
		return nil, placed(at(n), `a text is neither true nor false; compare it with a field, as in qname == "example.org."`)
	}
	return l.other(n)
}

func (l *lowering) pair(op condOp, n *ast.BinaryNode) (*cond, error) {
	a, err := l.cond(n.Left)
	if err != nil {
		return nil, err
	}
	b, err := l.cond(n.Right)
	return &cond{op: op, a: a, b: b}, err
}

// other leaves n to the VM.
func (l *lowering) other(n ast.Node) (*cond, error) {
	outer := l.used
	l.used = nil
	node, err := l.value(n)
	guards := l.used
	l.used = outer
	return &cond{op: condVM, node: node, guards: guards}, err
}

func isComparison(op string) bool {
	switch op {
	case "==", "!=", "<", "<=", ">", ">=", "in", "matches", "contains", "startsWith", "endsWith":
		return true
	}
	return false
}

// mirrored is the comparison with its sides exchanged, where it has one.
var mirrored = map[string]string{"==": "==", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

// compare lowers a comparison, which != is the negation of one of.
func (l *lowering) compare(n *ast.BinaryNode, op string) (*cond, error) {
	left, right := n.Left, n.Right
	f, err := l.fieldOf(left)
	if err != nil {
		return nil, err
	}
	g, err := l.fieldOf(right)
	if err != nil {
		return nil, err
	}
	if f == nil && g != nil && mirrored[op] != "" {
		f, g, left, right, op = g, nil, right, left, mirrored[op]
	}
	if op == "matches" {
		if err := l.checkPattern(n); err != nil {
			return nil, err
		}
	}
	if f != nil {
		t, err := (&comparison{f: f, op: op, word: left}).with(g, right)
		if err != nil {
			return nil, err
		}
		if t != nil {
			return testOf(t), nil
		}
	}
	if op == "==" && n.Operator == "!=" {
		n = &ast.BinaryNode{Operator: "==", Left: n.Left, Right: n.Right}
		n.SetLocation(left.Location())
	}
	outer := l.used
	l.used = nil
	defer func() { l.used = outer }()
	a, err := l.value(n.Left)
	if err != nil {
		return nil, err
	}
	b, err := l.value(n.Right)
	if err != nil {
		return nil, err
	}
	node := &ast.BinaryNode{Operator: n.Operator, Left: a, Right: b}
	node.SetLocation(n.Location())
	return &cond{op: condVM, node: node, guards: l.used}, nil
}

func testOf(t *test) *cond { return &cond{op: condTest, test: t} }

// checkPattern refuses regular expressions that are not constant, or that take
// long to match: time goes with their instructions.
func (l *lowering) checkPattern(n *ast.BinaryNode) error {
	s, ok := n.Right.(*ast.StringNode)
	if !ok {
		return placed(at(n), `matches wants a regular expression in quotes, as in qname matches "^[0-9]+\\."`)
	}
	if _, pointer := n.Left.(*ast.PointerNode); l.inPredicate && !pointer {
		return placed(at(n), "inside a function, only # can be matched")
	}
	_, err := compilePattern(s)
	return err
}

func compilePattern(s *ast.StringNode) (*regexp.Regexp, error) {
	// Flags change what stands for letters, so the pattern is checked as it is.
	re, err := syntax.Parse(s.Value, syntax.Perl)
	if err != nil {
		return nil, placed(at(s), "%s", err)
	}
	code, err := syntax.Compile(re.Simplify())
	if err == nil && len(code.Inst) > maxPattern {
		return nil, placed(at(s), "the regular expression has %d instructions, at most %d are allowed", len(code.Inst), maxPattern)
	}
	compiled, err := regexp.Compile(s.Value)
	if err != nil {
		return nil, placed(at(s), "%s", err)
	}
	return compiled, nil
}

// field is the field of a word.
func (l *lowering) field(n *ast.IdentifierNode) (*Field, error) {
	// One with arguments is made once.
	if i := slices.IndexFunc(l.all, func(f *Field) bool { return f.Name == n.Value }); i >= 0 {
		return l.all[i], nil
	}
	f, err := fieldByWord(n.Value)
	if err != nil {
		return nil, placed(at(n), "%s", err)
	}
	l.all = append(l.all, f)
	return f, nil
}

// fieldCalls makes of the calls that fields with arguments look like the words
// that they are: label(1).
type fieldCalls struct{}

// Visit implements [ast.Visitor].
func (fieldCalls) Visit(node *ast.Node) {
	call, ok := (*node).(*ast.CallNode)
	if !ok {
		return
	}
	callee, ok := call.Callee.(*ast.IdentifierNode)
	if !ok {
		return
	}
	args := make([]string, len(call.Arguments))
	for i, a := range call.Arguments {
		args[i] = a.String()
	}
	f := FindField(callee.Value + "(" + strings.Join(args, ",") + ")")
	if f == nil {
		return
	}
	word := &ast.IdentifierNode{Value: f.Name}
	word.SetLocation(call.Location())
	*node = word
}

// fieldOf is the field that n is, or nil.
func (l *lowering) fieldOf(n ast.Node) (*Field, error) {
	if word, ok := n.(*ast.IdentifierNode); ok {
		return l.field(word)
	}
	return nil, nil
}

// functions are those of the language that neither read the clock nor make more
// of what they are given, so that an expression is as long as it looks.
var functions = map[string]bool{
	"len": true, "lower": true, "upper": true, "trim": true, "trimPrefix": true, "trimSuffix": true,
	"split": true, "indexOf": true, "lastIndexOf": true, "hasPrefix": true, "hasSuffix": true,
	"abs": true, "ceil": true, "floor": true, "round": true, "int": true, "float": true, "string": true,
	"all": true, "any": true, "none": true, "one": true, "count": true,
}

// predicates are those of the functions that ask something of each part.
var predicates = map[string]bool{"all": true, "any": true, "none": true, "one": true, "count": true}

// value makes of n what the VM can compute: conditions inside it become plain
// operations, fields are noted.
func (l *lowering) value(n ast.Node) (ast.Node, error) {
	switch n := n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.StringNode, *ast.BoolNode:
		return n, nil
	case *ast.IdentifierNode:
		f, err := l.field(n)
		if err != nil {
			return nil, err
		}
		if f.Kind >= Address {
			return nil, placed(at(n), "%s is %s; compare it with == or in, as in %s", f.Name, f.Kind.phrase(), f.example())
		}
		if !slices.Contains(l.used, f) {
			l.used = append(l.used, f)
		}
		return n, nil
	case *ast.UnaryNode:
		if n.Operator != "not" && n.Operator != "!" {
			err := l.values(&n.Node)
			return n, err
		}
		return l.condValue(n)
	case *ast.BinaryNode:
		switch n.Operator {
		case "+", "-", "*", "/", "%", "**", "^":
			err := l.values(&n.Left, &n.Right)
			return n, err
		case "..":
			return nil, placed(at(n), "a range stands after in, with a field before it and whole numbers, as in size in 512..1232")
		case "??":
			return nil, placed(at(n), "?? means nothing here: a comparison with what a message does not have is false")
		}
		return l.condValue(n)
	case *ast.ConditionalNode:
		c, err := l.condValue(n.Cond)
		if err != nil {
			return nil, err
		}
		n.Cond = c
		return n, l.values(&n.Exp1, &n.Exp2)
	case *ast.ArrayNode:
		for i := range n.Nodes {
			if err := l.values(&n.Nodes[i]); err != nil {
				return nil, err
			}
		}
		return n, nil
	case *ast.SliceNode:
		if n.From != nil {
			if err := l.values(&n.From); err != nil {
				return nil, err
			}
		}
		if n.To != nil {
			if err := l.values(&n.To); err != nil {
				return nil, err
			}
		}
		return n, l.values(&n.Node)
	case *ast.MemberNode:
		if _, named := n.Property.(*ast.StringNode); named || n.Optional {
			return nil, placed(at(n), "fields have no members; parts of a name are split(qname, \".\")[0]")
		}
		return n, l.values(&n.Node, &n.Property)
	case *ast.BuiltinNode:
		return l.function(n)
	case *ast.PredicateNode:
		if l.inPredicate {
			return nil, placed(at(n), "a function of each part cannot stand inside another")
		}
		l.inPredicate = true
		defer func() { l.inPredicate = false }()
		c, err := l.condValue(n.Node)
		n.Node = c
		return n, err
	case *ast.PointerNode:
		if n.Name == "" || n.Name == "index" {
			return n, nil
		}
	case *ast.NilNode:
		return nil, placed(at(n), "there is no nil: a comparison with what a message does not have is false")
	case *ast.CallNode:
		if word, ok := n.Callee.(*ast.IdentifierNode); ok {
			for i := range Fields {
				if f := &Fields[i]; f.with != nil && strings.HasPrefix(f.Name, word.Value+"(") {
					return nil, placed(at(n), "%s has no such arguments; ratadns reducers --dimensions tells which", f.Name)
				}
			}
			return nil, placed(at(n), "unknown function %s", word.Value)
		}
	case *ast.VariableDeclaratorNode:
		return nil, placed(at(n), "let is not part of this language; write the expression out")
	}
	return nil, placed(at(n), "this is not part of the language of where")
}

// values makes values of nodes in their places.
func (l *lowering) values(nodes ...*ast.Node) error {
	for _, p := range nodes {
		n, err := l.value(*p)
		if err != nil {
			return err
		}
		*p = n
	}
	return nil
}

// condValue is a condition as the VM computes it. A # alone may be one.
func (l *lowering) condValue(n ast.Node) (ast.Node, error) {
	c, err := l.cond(n)
	if err != nil {
		return nil, err
	}
	return c.plain(), nil
}

func (l *lowering) function(n *ast.BuiltinNode) (ast.Node, error) {
	if !functions[n.Name] {
		return nil, placed(at(n), "%s is not part of the language of where", n.Name)
	}
	if predicates[n.Name] {
		// What is looped over is the parts of a text, and so no longer than that.
		parts, ok := n.Arguments[0].(*ast.BuiltinNode)
		if !ok || parts.Name != "split" || len(n.Arguments) != 2 {
			return nil, placed(at(n), `%s wants the parts of a text, as in %s(split(qname, "."), len(#) > 30)`, n.Name, n.Name)
		}
	}
	for i := range n.Arguments {
		if err := l.values(&n.Arguments[i]); err != nil {
			return nil, err
		}
	}
	return n, nil
}

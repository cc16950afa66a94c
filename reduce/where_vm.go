package reduce

import (
	"errors"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/optimizer"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// has begins the name that says whether an event has a field. No identifier of
// the language looks like that.
const has = "?"

// A program is a cond that the VM runs.
type program struct {
	code   *vm.Program
	fields []programField
}

// A programField is a field that a program uses. Without one that is required
// the answer is no; has is the name under which it asks for the others, if so.
type programField struct {
	*Field
	required bool
	has      string
}

// maxVMMemory bounds what one run may make, in the VM's units: about elements.
const maxVMMemory = 100_000

// runner is what an event has to run programs.
type runner struct {
	vm   vm.VM
	envs map[*program]map[string]any
}

// match runs the program. An error is kept for the caller of the whole.
func (p *program) match(e *Event) bool {
	r := e.runner
	if r == nil {
		r = &runner{vm: vm.VM{MemoryBudget: maxVMMemory}, envs: make(map[*program]map[string]any)}
		e.runner = r
	}
	env := r.envs[p]
	if env == nil {
		env = make(map[string]any, 2*len(p.fields))
		r.envs[p] = env
	}
	for i := range p.fields {
		f := &p.fields[i]
		ok := f.fill(e, env)
		if !ok && f.required {
			return false
		}
		if f.has != "" {
			env[f.has] = ok
		}
	}
	result, err := r.vm.Run(p.code, env)
	if err != nil {
		if e.failure == nil {
			e.failure = errors.New(runtimeMessage(err))
		}
		return false
	}
	yes, _ := result.(bool)
	return yes
}

func runtimeMessage(err error) string {
	message := err.Error()
	if at, ok := err.(*file.Error); ok {
		message = at.Message
	}
	return strings.TrimPrefix(message, "runtime error: ")
}

// fill puts the field of an event into env, or what stands for none.
func (f *Field) fill(e *Event, env map[string]any) (ok bool) {
	switch {
	case f.number != nil:
		var n uint32
		n, ok = f.number(e)
		switch {
		case f.Kind == Flag:
			env[f.Name] = ok && n == 1
		case f.Kind != Choice:
			env[f.Name] = int(n)
		case ok:
			env[f.Name] = f.words[n]
		default:
			env[f.Name] = f.absent
		}
	case f.text != nil:
		var b []byte
		b, ok = f.text(e)
		if ok {
			env[f.Name] = string(b)
		} else {
			env[f.Name] = f.absent
		}
	default:
		var p netip.Prefix
		p, ok = f.addr(e)
		env[f.Name] = p
	}
	return ok
}

// sample is a value of the type that fill puts there.
func (f *Field) sample() any {
	switch {
	case f.Kind == Flag:
		return false
	case f.Kind == Number || f.Kind == Code:
		return 0
	case f.Kind >= Address:
		return netip.Prefix{}
	}
	return ""
}

// The functions of addresses, which the VM does not know.
var vmFunctions = []*builtin.Function{
	{Name: "?set", Types: []reflect.Type{reflect.TypeFor[func(netip.Prefix, *addressSet) bool]()}, Func: func(args ...any) (any, error) {
		return args[1].(*addressSet).match(args[0].(netip.Prefix)), nil
	}},
	{Name: "?inside", Types: []reflect.Type{reflect.TypeFor[func(netip.Prefix, netip.Prefix) bool]()}, Func: func(args ...any) (any, error) {
		return inside(args[0].(netip.Prefix), args[1].(netip.Prefix)), nil
	}},
	{Name: "?same", Types: []reflect.Type{reflect.TypeFor[func(netip.Prefix, netip.Prefix) bool]()}, Func: func(args ...any) (any, error) {
		return same(args[0].(netip.Prefix), args[1].(netip.Prefix)), nil
	}},
}

func same(p, q netip.Prefix) bool { return p == q }

// compilePrograms compiles what is left to the VM.
func (c *cond) compilePrograms() error {
	for _, sub := range []*cond{c.a, c.b, c.c} {
		if sub == nil {
			continue
		}
		if err := sub.compilePrograms(); err != nil {
			return err
		}
	}
	if c.op != condVM {
		return nil
	}
	var err error
	c.vm, err = newProgram(c)
	return err
}

// newProgram compiles all of c for the VM.
func newProgram(c *cond) (*program, error) {
	p := new(program)
	tree := new(parser.Tree)
	if c.op == condVM {
		tree.Node = c.node
	} else {
		tree.Node = c.plain()
	}
	words := &words{}
	ast.Walk(&tree.Node, words)
	if words.nodes > maxVMNodes {
		return nil, placed(words.first, "what is not made of simple comparisons has %d words at most, this has %d", maxVMNodes, words.nodes)
	}
	env := make(map[string]any)
	for _, field := range words.fields() {
		f := programField{Field: field}
		if words.names[has+f.Name] {
			f.has = has + f.Name
			env[f.has] = false
		}
		f.required = c.op == condVM && slices.ContainsFunc(c.guards, func(g *Field) bool { return g.Name == f.Name })
		if words.names[f.Name] || f.required || f.has != "" {
			env[f.Name] = f.sample()
			p.fields = append(p.fields, f)
		}
	}
	cfg := conf.New(env)
	cfg.Expect = reflect.Bool
	for _, f := range vmFunctions {
		cfg.Functions[f.Name] = f
	}
	if _, err := checker.Check(tree, cfg); err != nil {
		return nil, p.explain(err, words.first)
	}
	if err := optimizer.Optimize(&tree.Node, cfg); err != nil {
		return nil, err
	}
	var err error
	p.code, err = compiler.Compile(tree, cfg)
	return p, err
}

// explain adds to an error of types what the fields are. The checker does not
// say where a whole is not what it is to be; from is where it stands.
func (p *program) explain(err error, from int) error {
	var kinds []string
	for _, f := range p.fields {
		kinds = append(kinds, f.Name+" is "+f.Kind.phrase())
	}
	message := err.Error()
	if at, ok := err.(*file.Error); ok {
		message, from = at.Message, at.From
	}
	message = strings.NewReplacer(
		"expected bool, but got ", "this is neither true nor false, but ",
		"mismatched types", "different types", "string", "text", "int", "number",
	).Replace(message)
	if len(kinds) > 0 {
		message += ": " + strings.Join(kinds, ", ")
	}
	return placed(from, "%s", message)
}

// words are the names in a tree.
type words struct {
	names map[string]bool
	nodes int
	first int
}

// fields are all that the names may be of, those with arguments made.
func (w *words) fields() (list []*Field) {
	for i := range Fields {
		list = append(list, &Fields[i])
	}
	made := make(map[string]bool)
	for name := range w.names {
		if name = strings.TrimPrefix(name, has); strings.Contains(name, "(") {
			made[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(made)) {
		list = append(list, FindField(name))
	}
	return list
}

// Visit implements [ast.Visitor].
func (w *words) Visit(n *ast.Node) {
	if w.nodes++; w.nodes == 1 || at(*n) < w.first {
		w.first = at(*n)
	}
	if id, ok := (*n).(*ast.IdentifierNode); ok {
		if w.names == nil {
			w.names = make(map[string]bool)
		}
		w.names[id.Value] = true
	}
}

func word(name string) ast.Node { return &ast.IdentifierNode{Value: name} }

func operation(op string, a, b ast.Node) ast.Node {
	return &ast.BinaryNode{Operator: op, Left: a, Right: b}
}

func not(n ast.Node) ast.Node { return &ast.UnaryNode{Operator: "not", Node: n} }

// plain is the cond in operations of the VM.
func (c *cond) plain() ast.Node {
	switch c.op {
	case condTrue:
		return &ast.BoolNode{Value: true}
	case condAnd:
		return operation("and", c.a.plain(), c.b.plain())
	case condOr:
		return operation("or", c.a.plain(), c.b.plain())
	case condNot:
		return not(c.a.plain())
	case condIf:
		return &ast.ConditionalNode{Cond: c.a.plain(), Exp1: c.b.plain(), Exp2: c.c.plain()}
	case condTest:
		return c.test.plain()
	case condVM:
		n := c.node
		for _, f := range c.guards {
			n = operation("and", word(has+f.Name), n)
			n.SetLocation(c.node.Location())
		}
		return n
	}
	return &ast.BoolNode{}
}

func (t *test) plain() ast.Node {
	f := word(t.field.Name)
	if t.other != nil {
		g := word(t.other.Name)
		n := operation(t.op, f, g)
		if t.field.Kind >= Address {
			name := "?inside"
			if t.op == "==" {
				name = "?same"
			}
			n = &ast.CallNode{Callee: word(name), Arguments: []ast.Node{f, g}}
		}
		return operation("and", operation("and", word(has+t.field.Name), word(has+t.other.Name)), n)
	}
	var n ast.Node
	switch t.field.Kind {
	case Number, Code:
		n = &ast.BoolNode{}
		for _, s := range t.spans {
			low, high := &ast.IntegerNode{Value: int(s.low)}, &ast.IntegerNode{Value: int(s.high)}
			one := operation("and", operation(">=", f, low), operation("<=", f, high))
			if s.low == s.high {
				one = operation("==", f, low)
			}
			n = operation("or", n, one)
		}
	case Flag:
		if n = f; t.spans[0].low == 0 {
			n = not(f)
		}
	case Choice:
		list := &ast.ArrayNode{}
		for _, s := range t.spans {
			for i := s.low; i <= s.high; i++ {
				list.Nodes = append(list.Nodes, &ast.StringNode{Value: t.field.words[i]})
			}
		}
		n = operation("in", f, list)
	case Name, Text:
		n = operation(t.op, f, &ast.StringNode{Value: t.text})
		if t.op == "==" {
			list := &ast.ArrayNode{}
			for _, s := range t.texts {
				list.Nodes = append(list.Nodes, &ast.StringNode{Value: s})
			}
			n = operation("in", f, list)
		}
	default:
		n = &ast.CallNode{Callee: word("?set"), Arguments: []ast.Node{f, &ast.ConstantNode{Value: t.addrs}}}
	}
	if t.orAbsent {
		return operation("or", not(word(has+t.field.Name)), n)
	}
	return operation("and", word(has+t.field.Name), n)
}

package reduce

import (
	"fmt"

	"go.starlark.net/syntax"
)

// A guarder puts the guards of script_guard.go into a parsed script: in place
// of an operator, a slice or a method that could make much of little in one
// step stands a call of a function that looks first. Their names are no words of
// the language, so that no script can say or hide them.
type guarder struct {
	fields map[string]bool // attributes that the script names
	m      string          // the parameter of the add that we are in
	err    error
}

// file rewrites f. An error has its place.
func (g *guarder) file(f *syntax.File) error {
	f.Stmts = g.stmts(f.Stmts)
	return g.err
}

func (g *guarder) refuse(pos syntax.Position, format string, args ...any) {
	if g.err == nil {
		g.err = fmt.Errorf("%s: %s", pos, fmt.Sprintf(format, args...))
	}
}

// guarded is a call of a guard; an error in it is at pos.
func guarded(name string, pos syntax.Position, args ...syntax.Expr) *syntax.CallExpr {
	return &syntax.CallExpr{Fn: &syntax.Ident{NamePos: pos, Name: name}, Lparen: pos, Args: args, Rparen: pos}
}

func (g *guarder) stmts(list []syntax.Stmt) []syntax.Stmt {
	for i, s := range list {
		list[i] = g.stmt(s)
	}
	return list
}

func (g *guarder) stmt(s syntax.Stmt) syntax.Stmt {
	switch s := s.(type) {
	case *syntax.AssignStmt:
		return g.assign(s)
	case *syntax.DefStmt:
		g.exprs(s.Params)
		before := g.m
		if p, ok := s.Params, s.Name.Name == "add"; ok && len(p) == 1 {
			if m, ok := p[0].(*syntax.Ident); ok {
				g.m = m.Name
			}
		}
		g.stmts(s.Body)
		g.m = before
	case *syntax.ExprStmt:
		s.X = g.expr(s.X)
	case *syntax.ForStmt:
		s.Vars, s.X = g.target(s.Vars), g.expr(s.X)
		g.stmts(s.Body)
	case *syntax.WhileStmt:
		s.Cond = g.expr(s.Cond)
		g.stmts(s.Body)
	case *syntax.IfStmt:
		s.Cond = g.expr(s.Cond)
		g.stmts(s.True)
		g.stmts(s.False)
	case *syntax.LoadStmt:
		g.refuse(s.Load, "load is not offered: a script is one file")
	case *syntax.ReturnStmt:
		s.Result = g.expr(s.Result)
	}
	return s
}

// assign makes x += y a call, and of a[i] += y one that gets and sets.
func (g *guarder) assign(s *syntax.AssignStmt) syntax.Stmt {
	s.LHS, s.RHS = g.target(s.LHS), g.expr(s.RHS)
	op := s.Op.String()
	if s.Op == syntax.EQ || guards[op] == nil || g.small(s.Op, nil, s.RHS) {
		return s
	}
	switch lhs := s.LHS.(type) {
	case *syntax.Ident:
		x := &syntax.Ident{NamePos: lhs.NamePos, Name: lhs.Name}
		return &syntax.AssignStmt{OpPos: s.OpPos, Op: syntax.EQ, LHS: lhs, RHS: guarded(op, s.OpPos, x, s.RHS)}
	case *syntax.IndexExpr:
		return &syntax.ExprStmt{X: guarded("[]"+op, s.OpPos, lhs.X, lhs.Y, s.RHS)}
	}
	return s
}

// target rewrites what is assigned to: the parts of it that are read.
func (g *guarder) target(x syntax.Expr) syntax.Expr {
	switch x := x.(type) {
	case *syntax.ParenExpr:
		x.X = g.target(x.X)
	case *syntax.TupleExpr:
		for i := range x.List {
			x.List[i] = g.target(x.List[i])
		}
	case *syntax.ListExpr:
		for i := range x.List {
			x.List[i] = g.target(x.List[i])
		}
	case *syntax.IndexExpr:
		x.X, x.Y = g.expr(x.X), g.expr(x.Y)
	case *syntax.DotExpr:
		x.X = g.expr(x.X)
	}
	return x
}

func (g *guarder) exprs(list []syntax.Expr) {
	for i := range list {
		list[i] = g.expr(list[i])
	}
}

func (g *guarder) expr(x syntax.Expr) syntax.Expr {
	switch x := x.(type) {
	case nil:
		return nil
	case *syntax.BinaryExpr:
		if x.Op == syntax.EQ { // a keyword argument or a default
			x.Y = g.expr(x.Y)
			return x
		}
		x.X, x.Y = g.expr(x.X), g.expr(x.Y)
		if op := x.Op.String(); guards[op] != nil && !g.small(x.Op, x.X, x.Y) {
			return guarded(op, x.OpPos, x.X, x.Y)
		}
	case *syntax.CallExpr:
		g.exprs(x.Args)
		if dot, ok := x.Fn.(*syntax.DotExpr); ok && guards["."+dot.Name.Name] != nil {
			call := guarded("."+dot.Name.Name, x.Lparen, append([]syntax.Expr{g.expr(dot.X)}, x.Args...)...)
			call.Rparen = x.Rparen
			return call
		}
		x.Fn = g.expr(x.Fn)
	case *syntax.DotExpr:
		g.field(x)
		x.X = g.expr(x.X)
		if guards["."+x.Name.Name] != nil { // a method that is not called at once, or other.items
			return guarded(".", x.Dot, x.X, &syntax.Literal{Token: syntax.STRING, TokenPos: x.Name.NamePos, Value: x.Name.Name})
		}
	case *syntax.SliceExpr:
		x.X = guarded("[:]", x.Lbrack, g.expr(x.X))
		x.Lo, x.Hi, x.Step = g.expr(x.Lo), g.expr(x.Hi), g.expr(x.Step)
	case *syntax.Comprehension:
		x.Body = g.expr(x.Body)
		for _, c := range x.Clauses {
			switch c := c.(type) {
			case *syntax.ForClause:
				c.Vars, c.X = g.target(c.Vars), g.expr(c.X)
			case *syntax.IfClause:
				c.Cond = g.expr(c.Cond)
			}
		}
	case *syntax.CondExpr:
		x.Cond, x.True, x.False = g.expr(x.Cond), g.expr(x.True), g.expr(x.False)
	case *syntax.DictEntry:
		x.Key, x.Value = g.expr(x.Key), g.expr(x.Value)
	case *syntax.DictExpr:
		g.exprs(x.List)
	case *syntax.IndexExpr:
		x.X, x.Y = g.expr(x.X), g.expr(x.Y)
	case *syntax.LambdaExpr:
		g.exprs(x.Params)
		x.Body = g.expr(x.Body)
	case *syntax.ListExpr:
		g.exprs(x.List)
	case *syntax.TupleExpr:
		g.exprs(x.List)
	case *syntax.ParenExpr:
		x.X = g.expr(x.X)
	case *syntax.UnaryExpr:
		x.X = g.expr(x.X)
	}
	return x
}

// field notes an attribute, and refuses one that messages do not have.
func (g *guarder) field(x *syntax.DotExpr) {
	name := x.Name.Name
	g.fields[name] = true
	if m, ok := x.X.(*syntax.Ident); ok && g.m != "" && m.Name == g.m && FindField(name) == nil {
		g.refuse(x.Name.NamePos, "messages have no %s, see: ratadns reducers --dimensions", name)
	}
}

// small reports whether one operand, a number that stands there or a message's,
// keeps the result as small as the other: a script that counts needs no guard.
func (g *guarder) small(op syntax.Token, x, y syntax.Expr) bool {
	switch op {
	case syntax.PLUS, syntax.MINUS:
		return g.number(x) || g.number(y)
	case syntax.PLUS_EQ, syntax.MINUS_EQ, syntax.PERCENT, syntax.PERCENT_EQ:
		return g.number(y)
	}
	return false
}

func (g *guarder) number(x syntax.Expr) bool {
	switch x := x.(type) {
	case *syntax.Literal:
		return x.Token == syntax.INT || x.Token == syntax.FLOAT
	case *syntax.DotExpr:
		m, ok := x.X.(*syntax.Ident)
		f := FindField(x.Name.Name)
		return ok && g.m != "" && m.Name == g.m && f != nil && f.Kind == Number && f.bin == 0
	}
	return false
}

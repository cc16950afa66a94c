package filter

import (
	"fmt"
	"slices"
	"strings"

	"ratadns/capture"
)

// A token is a word or a sign; at is its place in the expression.
type token struct {
	text    string
	word    bool
	escaped bool // a word behind a backslash is no keyword
	at      int
}

// scan divides an expression. Colons and points belong to words, which may be
// addresses, but not between brackets; a hyphen belongs to the word before it,
// as in tcp-syn, so that a subtraction needs spaces, as it does for tcpdump.
func scan(text string) (all []token, err error) {
	depth := 0
	for at := 0; at < len(text); {
		c := text[at]
		n := 1
		switch {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			at++
			continue
		case isWord(c) || c == '\\' && at+1 < len(text) && isWord(text[at+1]) || c == ':' && depth == 0:
			for at+n < len(text) && (isWord(text[at+n]) || text[at+n] == '-' || depth == 0 && strings.IndexByte(":.", text[at+n]) >= 0) {
				n++
			}
			word := text[at : at+n]
			all = append(all, token{text: strings.TrimPrefix(word, `\`), word: true, escaped: c == '\\', at: at})
		default:
			for _, sign := range []string{"&&", "||", "!=", "==", ">=", "<=", "<<", ">>"} {
				if strings.HasPrefix(text[at:], sign) {
					n = 2
				}
			}
			if n == 1 && strings.IndexByte("()[]!<>=+-*/&|:", c) < 0 {
				return nil, fmt.Errorf("%q is not understood", text[at:])
			}
			switch c {
			case '[':
				depth++
			case ']':
				depth--
			}
			all = append(all, token{text: text[at : at+n], at: at})
		}
		at += n
	}
	return all, nil
}

func isWord(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
}

// A parser reads tokens from left to right and makes nodes for one link type.
type parser struct {
	frames
	tokens []token
	i      int
	last   *qualifiers // of the primitive before, for: port 53 or 5353
	err    error       // the one farthest to the right
	errAt  int
}

// qualifiers say what an identifier means.
type qualifiers struct{ proto, dir, kind string }

// compile makes the program for packets of a link type.
func compile(text string, link capture.LinkType) (Program, error) {
	tokens, err := scan(text)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens, errAt: -1}
	if p.frames, err = newFrames(link); err != nil {
		return nil, err
	}
	n := p.expression()
	if n == nil || p.i < len(p.tokens) {
		p.fail("is not understood here")
		return nil, p.err
	}
	return assemble(n)
}

// peek is the next token, or an empty one at the end.
func (p *parser) peek() token {
	if p.i < len(p.tokens) {
		return p.tokens[p.i]
	}
	return token{}
}

// take takes the next token if it is one of those, and no name.
func (p *parser) take(texts ...string) (string, bool) {
	t := p.peek()
	if t.text == "" || t.escaped || !slices.Contains(texts, t.text) {
		return "", false
	}
	p.i++
	return t.text, true
}

// fail keeps what is wrong with the next token, unless something farther to
// the right is wrong, and returns nil.
func (p *parser) fail(format string, args ...any) *node {
	if p.i > p.errAt {
		what := "the end"
		if t := p.peek(); t.text != "" {
			what = fmt.Sprintf("%q", t.text)
		}
		p.errAt = p.i
		p.err = fmt.Errorf("%s %s", what, fmt.Sprintf(format, args...))
	}
	return nil
}

// expression reads terms. and and or bind alike, from the left.
func (p *parser) expression() *node {
	n := p.term()
	for n != nil {
		if _, ok := p.take("and", "&&"); ok {
			if r := p.next(); r != nil {
				n = and(n, r)
				continue
			}
			return nil
		}
		if _, ok := p.take("or", "||"); ok {
			if r := p.next(); r != nil {
				n = or(n, r)
				continue
			}
			return nil
		}
		break
	}
	return n
}

// next reads a term, or only an identifier with the qualifiers of the one
// before.
func (p *parser) next() *node {
	begin, negate := p.i, false
	for _, ok := p.take("not", "!"); ok; _, ok = p.take("not", "!") {
		negate = !negate
	}
	if t := p.peek(); p.last != nil && t.word && (t.escaped || !keywords[t.text]) {
		if n := p.tryRelation(); n != nil {
			return notIf(negate, n)
		}
		n := p.identifier(*p.last)
		return notIf(negate, n)
	}
	p.i = begin
	return p.term()
}

func (p *parser) term() *node {
	if _, ok := p.take("not", "!"); ok {
		n := p.term()
		return notIf(true, n)
	}
	if n := p.tryRelation(); n != nil {
		return n
	}
	if _, ok := p.take("("); ok {
		p.last = nil
		n := p.expression()
		p.last = nil
		if n == nil {
			return nil
		}
		if _, ok := p.take(")"); !ok {
			return p.fail("stands where a ) is missing")
		}
		return n
	}
	return p.primitive()
}

// keywords are no identifiers unless they are escaped.
var keywords = func() map[string]bool {
	all := make(map[string]bool)
	for _, w := range strings.Fields(`and or not src dst host net mask port portrange proto vlan less greater len
		ether link ip ip6 arp rarp tcp udp sctp icmp icmp6 igmp`) {
		all[w] = true
	}
	return all
}()

// protocols stand alone, before a direction or a kind, or before brackets.
var protocols = []string{"ether", "link", "ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp"}

func (p *parser) primitive() *node {
	p.last = nil
	begin := p.i
	switch word, _ := p.take("vlan", "less", "greater"); word {
	case "vlan":
		return p.vlanPrimitive()
	case "less", "greater":
		v, ok := p.number(1<<32 - 1)
		if !ok {
			return nil
		}
		if word == "less" {
			return atMost(length, v)
		}
		return atLeast(length, v)
	}
	var q qualifiers
	q.proto, _ = p.take(protocols...)
	q.dir = p.direction()
	q.kind, _ = p.take("host", "net", "port", "portrange", "proto")
	switch {
	case q.kind == "" && q.dir == "" && q.proto != "":
		return p.protocol(q.proto)
	case q.kind == "" && q.dir == "":
		p.i = begin
		return p.fail("is not understood here")
	case q.kind == "":
		q.kind = "host"
	}
	if _, ok := p.take("("); ok {
		n := p.identifiers(q)
		if n == nil {
			return nil
		}
		if _, ok := p.take(")"); !ok {
			return p.fail("stands where a ) is missing")
		}
		p.last = &q
		return n
	}
	return p.identifier(q)
}

// direction reads src, dst and what joins them.
func (p *parser) direction() string {
	one, _ := p.take("src", "dst")
	if one == "" {
		return ""
	}
	after := p.i
	if join, ok := p.take("and", "or"); ok {
		if other, _ := p.take("src", "dst"); other != "" && other != one {
			return join
		}
	}
	p.i = after
	return one
}

// identifiers reads what stands in parentheses behind qualifiers.
func (p *parser) identifiers(q qualifiers) (n *node) {
	join := ""
	for {
		negate := false
		for _, ok := p.take("not", "!"); ok; _, ok = p.take("not", "!") {
			negate = !negate
		}
		one := notIf(negate, p.identifier(q))
		switch {
		case one == nil:
			return nil
		case join == "":
			n = one
		case join == "and" || join == "&&":
			n = and(n, one)
		default:
			n = or(n, one)
		}
		var ok bool
		if join, ok = p.take("and", "&&", "or", "||"); !ok {
			return n
		}
	}
}

func notIf(negate bool, n *node) *node {
	if n == nil || !negate {
		return n
	}
	return &node{kind: negation, left: n}
}

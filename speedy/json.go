package speedy

import "unicode/utf8"

// What of a parser reads JSON itself (RFC 8259). Each function leaves i behind
// what it read; on failure i is where it stopped.

func (p *parser) space() {
	for p.i < len(p.b) && (p.b[p.i] == ' ' || p.b[p.i] == '\n' || p.b[p.i] == '\t' || p.b[p.i] == '\r') {
		p.i++
	}
}

// take reads c, perhaps after white space.
func (p *parser) take(c byte) bool {
	if p.i < len(p.b) && p.b[p.i] == c {
		p.i++
		return true
	}
	p.space()
	if p.i < len(p.b) && p.b[p.i] == c {
		p.i++
		return true
	}
	return false
}

// members reads an object; f reads the value of the member of that name.
func (p *parser) members(f func(name []byte) bool) bool {
	if !p.take('{') {
		return false
	}
	if p.take('}') {
		return true
	}
	for {
		name, ok := p.str()
		if !ok || !p.take(':') || !f(name) {
			return false
		}
		if !p.take(',') {
			return p.take('}')
		}
	}
}

func (p *parser) list(f func() bool) bool {
	if !p.take('[') {
		return false
	}
	if p.take(']') {
		return true
	}
	for {
		if !f() {
			return false
		}
		if !p.take(',') {
			return p.take(']')
		}
	}
}

// str reads a string. The result is valid until the next string with escapes.
func (p *parser) str() ([]byte, bool) {
	if !p.take('"') {
		return nil, false
	}
	start := p.i
	for p.i < len(p.b) {
		switch c := p.b[p.i]; {
		case c == '"':
			p.i++
			return p.b[start : p.i-1], true
		case c == '\\':
			return p.escaped(start)
		case c < 0x20:
			return nil, false
		}
		p.i++
	}
	return nil, false
}

// escaped goes on reading the string that began at start, whose first escape
// is at i.
func (p *parser) escaped(start int) ([]byte, bool) {
	p.text = append(p.text[:0], p.b[start:p.i]...)
	for p.i < len(p.b) {
		c := p.b[p.i]
		p.i++
		switch {
		case c == '"':
			return p.text, true
		case c < 0x20:
			return nil, false
		case c != '\\':
			p.text = append(p.text, c)
			continue
		}
		if p.i == len(p.b) {
			return nil, false
		}
		c = p.b[p.i]
		p.i++
		switch c {
		case '"', '\\', '/':
			p.text = append(p.text, c)
		case 'b':
			p.text = append(p.text, '\b')
		case 'f':
			p.text = append(p.text, '\f')
		case 'n':
			p.text = append(p.text, '\n')
		case 'r':
			p.text = append(p.text, '\r')
		case 't':
			p.text = append(p.text, '\t')
		case 'u':
			if p.i+4 > len(p.b) {
				p.i = len(p.b)
				return nil, false
			}
			r := rune(0)
			for _, d := range p.b[p.i : p.i+4] {
				if unhex[d] > 15 {
					return nil, false
				}
				r = r<<4 | rune(unhex[d])
			}
			p.i += 4
			// Up to ff it is an octet of a name, as appendEscaped writes it.
			if r <= 0xff {
				p.text = append(p.text, byte(r))
			} else {
				p.text = utf8.AppendRune(p.text, r)
			}
		default:
			return nil, false
		}
	}
	return nil, false
}

// uint reads a whole number up to limit.
func (p *parser) uint(limit uint64) (uint64, bool) {
	p.space()
	n, start := uint64(0), p.i
	for p.i < len(p.b) && p.b[p.i]-'0' <= 9 {
		if n = n*10 + uint64(p.b[p.i]-'0'); n > limit {
			return 0, false
		}
		p.i++
	}
	return n, p.i > start
}

// maxSeconds is the latest time believed (the year 2242).
const maxSeconds = 1 << 33

// time reads seconds with a fraction; what is finer than nanoseconds is cut.
func (p *parser) time(ns *int64) bool {
	sec, ok := p.uint(maxSeconds)
	if !ok {
		return false
	}
	frac := int64(0)
	if p.i < len(p.b) && p.b[p.i] == '.' {
		p.i++
		unit, start := int64(1e8), p.i
		for p.i < len(p.b) && p.b[p.i]-'0' <= 9 {
			frac += int64(p.b[p.i]-'0') * unit
			unit /= 10
			p.i++
		}
		ok = p.i > start
	}
	*ns = int64(sec)*1e9 + frac
	return ok
}

func (p *parser) bool(v *bool) bool {
	p.space()
	switch *v = p.word("true"); {
	case *v:
		return true
	default:
		return p.word("false")
	}
}

func (p *parser) word(w string) bool {
	n := min(len(w), len(p.b)-p.i)
	if string(p.b[p.i:p.i+n]) != w[:n] {
		return false
	}
	p.i += n
	return n == len(w)
}

// skip reads any value.
func (p *parser) skip(depth int) bool {
	p.space()
	if p.i == len(p.b) || depth > maxNesting {
		return false
	}
	switch c := p.b[p.i]; {
	case c == '{':
		return p.members(func([]byte) bool { return p.skip(depth + 1) })
	case c == '[':
		return p.list(func() bool { return p.skip(depth + 1) })
	case c == '"':
		_, ok := p.str()
		return ok
	case c == 't':
		return p.word("true")
	case c == 'f':
		return p.word("false")
	case c == 'n':
		return p.word("null")
	}
	return p.number()
}

// number reads a JSON number (RFC 8259 §6) that nobody wants the value of.
func (p *parser) number() bool {
	if p.i < len(p.b) && p.b[p.i] == '-' {
		p.i++
	}
	if !p.digits() {
		return false
	}
	if p.i < len(p.b) && p.b[p.i] == '.' {
		if p.i++; !p.digits() {
			return false
		}
	}
	if p.i < len(p.b) && p.b[p.i]|0x20 == 'e' {
		if p.i++; p.i < len(p.b) && (p.b[p.i] == '+' || p.b[p.i] == '-') {
			p.i++
		}
		return p.digits()
	}
	return true
}

func (p *parser) digits() bool {
	start := p.i
	for p.i < len(p.b) && p.b[p.i]-'0' <= 9 {
		p.i++
	}
	return p.i > start
}

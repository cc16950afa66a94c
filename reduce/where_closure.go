package reduce

import (
	"bytes"
	"slices"
)

// closure is the cond as a function. It allocates nothing when it runs, but for
// what the VM does.
func (c *cond) closure() func(*Event) bool {
	switch c.op {
	case condTrue:
		return func(*Event) bool { return true }
	case condAnd:
		a, b := c.a.closure(), c.b.closure()
		return func(e *Event) bool { return a(e) && b(e) }
	case condOr:
		a, b := c.a.closure(), c.b.closure()
		return func(e *Event) bool { return a(e) || b(e) }
	case condNot:
		a := c.a.closure()
		return func(e *Event) bool { return !a(e) }
	case condIf:
		a, b, c := c.a.closure(), c.b.closure(), c.c.closure()
		return func(e *Event) bool {
			if a(e) {
				return b(e)
			}
			return c(e)
		}
	case condTest:
		return c.test.closure()
	case condVM:
		return c.vm.match
	}
	return func(*Event) bool { return false }
}

func (t *test) closure() func(*Event) bool {
	switch {
	case t.other != nil:
		return t.ofFields()
	case t.field.number != nil:
		return t.ofNumber()
	case t.field.text != nil:
		return t.ofText()
	}
	get, set, absent := t.field.addr, t.addrs, t.orAbsent
	return func(e *Event) bool {
		p, ok := get(e)
		if !ok {
			return absent
		}
		return set.match(p)
	}
}

func (t *test) ofNumber() func(*Event) bool {
	get, absent := t.field.number, t.orAbsent
	if len(t.spans) == 1 {
		// One subtraction compares with both ends.
		low, width := t.spans[0].low, t.spans[0].high-t.spans[0].low
		if !absent {
			return func(e *Event) bool {
				n, ok := get(e)
				return ok && n-low <= width
			}
		}
	}
	spans := t.spans
	return func(e *Event) bool {
		n, ok := get(e)
		if !ok {
			return absent
		}
		if len(spans) > 8 {
			_, found := slices.BinarySearchFunc(spans, n, func(s span, n uint32) int {
				switch {
				case s.high < n:
					return -1
				case s.low > n:
					return 1
				}
				return 0
			})
			return found
		}
		for _, s := range spans {
			if n-s.low <= s.high-s.low {
				return true
			}
		}
		return false
	}
}

func (t *test) ofText() func(*Event) bool {
	get, absent, text, pattern := t.field.text, t.orAbsent, []byte(t.text), t.pattern
	on := func(match func(b []byte) bool) func(*Event) bool {
		return func(e *Event) bool {
			b, ok := get(e)
			if !ok {
				return absent
			}
			return match(b)
		}
	}
	switch t.op {
	case "matches":
		return on(pattern.Match)
	case "contains":
		return on(func(b []byte) bool { return bytes.Contains(b, text) })
	case "startsWith":
		return on(func(b []byte) bool { return bytes.HasPrefix(b, text) })
	case "endsWith":
		return on(func(b []byte) bool { return bytes.HasSuffix(b, text) })
	}
	if texts := t.texts; len(texts) <= 8 {
		return on(func(b []byte) bool {
			for _, s := range texts {
				if string(b) == s {
					return true
				}
			}
			return false
		})
	}
	set := make(map[string]struct{}, len(t.texts))
	for _, s := range t.texts {
		set[s] = struct{}{}
	}
	return on(func(b []byte) bool {
		_, ok := set[string(b)]
		return ok
	})
}

func (t *test) ofFields() func(*Event) bool {
	f, g := t.field, t.other
	switch {
	case f.addr != nil:
		match := inside
		if t.op == "==" {
			match = same
		}
		return func(e *Event) bool {
			p, ok := f.addr(e)
			q, ok2 := g.addr(e)
			return ok && ok2 && match(p, q)
		}
	case f.text != nil:
		return func(e *Event) bool {
			a, ok := f.text(e)
			if !ok {
				return false
			}
			// What text returns is valid until the next call.
			var buf [256]byte
			a = append(buf[:0], a...)
			b, ok := g.text(e)
			return ok && bytes.Equal(a, b)
		}
	}
	less, equal, greater := t.op[0] == '<', t.op == "==" || len(t.op) == 2, t.op[0] == '>'
	return func(e *Event) bool {
		a, ok := f.number(e)
		b, ok2 := g.number(e)
		switch {
		case !ok || !ok2:
			return false
		case a < b:
			return less
		case a > b:
			return greater
		}
		return equal
	}
}

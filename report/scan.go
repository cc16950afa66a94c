package report

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// parseNode reads data or a state. Jerry reads thousands of them for one
// answer, so this is one pass; encoding/json took six times as long.
func parseNode(raw json.RawMessage) (*node, error) {
	if !json.Valid(raw) {
		return nil, errForm
	}
	s := scanner{b: raw}
	return s.node(0)
}

// A scanner walks JSON that is known to be valid.
type scanner struct {
	b []byte
	i int
	// sketches is the shape whose sketches stand as strings, if any.
	sketches Shape
	made     int // of them
}

// next skips white space, and what stands between members and items.
func (s *scanner) next() byte {
	for {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\n', '\r', ',', ':':
			s.i++
		default:
			return c
		}
	}
}

func (s *scanner) node(depth int) (*node, error) {
	if depth > maxDepth {
		return nil, errForm
	}
	switch c := s.next(); {
	case c == '{':
		n := &node{members: make(map[string]*node)}
		for s.i++; s.next() != '}'; {
			key, err := s.key()
			if err != nil {
				return nil, err
			}
			child, err := s.node(depth + 1)
			if err != nil {
				return nil, err
			}
			n.members[key] = child
		}
		s.i++
		return n, nil
	case c == '[':
		n := &node{isList: true}
		for s.i++; s.next() != ']'; {
			n.list = append(n.list, bytes.Clone(s.value()))
		}
		s.i++
		return n, nil
	case c == '-' || c >= '0' && c <= '9':
		v, err := strconv.ParseFloat(string(s.value()), 64)
		if err != nil || !sane(v) {
			return nil, errForm
		}
		return &node{isNum: true, num: v}, nil
	case c == 'n':
		s.value()
		return &node{}, nil
	case c == '"' && s.sketches != "":
		return s.sketch()
	}
	return nil, errForm
}

// key reads a string.
func (s *scanner) key() (string, error) {
	raw := s.value()
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	var key string
	if err := json.Unmarshal(raw, &key); err != nil {
		return "", errForm
	}
	return key, nil
}

// value returns the octets of the next value, whatever it is, and passes it.
func (s *scanner) value() []byte {
	start, depth := s.i, 0
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case '"':
			for s.i++; s.b[s.i] != '"'; s.i++ {
				if s.b[s.i] == '\\' {
					s.i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 { // of what this value is in
				return s.b[start:s.i]
			}
			depth--
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return s.b[start:s.i]
			}
			s.i++
			continue
		default:
			s.i++
			continue
		}
		s.i++
		if depth == 0 {
			break
		}
	}
	return s.b[start:s.i]
}

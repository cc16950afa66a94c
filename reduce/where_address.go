package reduce

import (
	"fmt"
	"net/netip"

	"github.com/expr-lang/expr/ast"

	"ratadns/speedy"
)

// An addressSet is addresses and subnets in one of the prefixes, or equal to one.
type addressSet struct {
	prefixes []netip.Prefix
	equal    bool
}

func (s *addressSet) match(p netip.Prefix) bool {
	for _, q := range s.prefixes {
		if s.equal && p == q || !s.equal && inside(p, q) {
			return true
		}
	}
	return false
}

func inside(p, q netip.Prefix) bool { return p.Bits() >= q.Bits() && q.Contains(p.Addr()) }

func (c *comparison) addresses(items []ast.Node) (*test, error) {
	if err := c.only("==", "in"); err != nil {
		return nil, err
	}
	set := &addressSet{equal: c.op == "=="}
	for _, n := range items {
		s, ok := n.(*ast.StringNode)
		if !ok {
			return nil, c.refuse(n)
		}
		p, err := netip.ParsePrefix(s.Value)
		if a, aerr := netip.ParseAddr(s.Value); aerr == nil && a.Zone() == "" {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		switch {
		case err != nil:
			return nil, placed(at(n), "%q is no address and no prefix such as 192.0.2.0/24", s.Value)
		case p != p.Masked():
			return nil, placed(at(n), "%q has bits after its length; %q would do", s.Value, p.Masked())
		case c.f.Kind == Address && set.equal && !p.IsSingleIP():
			return nil, placed(at(n), "%s is one address and never equals a prefix; %s in %q would do", c.f.Name, c.f.Name, s.Value)
		}
		if of, ok := c.f.networkOf(p.Addr()); ok && set.equal && of.Bits() != p.Bits() {
			would := fmt.Sprintf("== %q", of)
			if p.Bits() < of.Bits() {
				would = fmt.Sprintf("in %q", s.Value)
			}
			return nil, placed(at(n), "%s is a /%d and never equals %q; %s %s would do", c.f.Name, of.Bits(), s.Value, c.f.Name, would)
		}
		set.prefixes = append(set.prefixes, p)
	}
	return &test{field: c.f, addrs: set}, nil
}

// networkOf is what a field of networks is where the client has that address, if
// that tells.
func (f *Field) networkOf(client netip.Addr) (netip.Prefix, bool) {
	if f.Kind != Subnet {
		return netip.Prefix{}, false
	}
	return f.addr(&Event{Message: &speedy.Message{Source: client}})
}

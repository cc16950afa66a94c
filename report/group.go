package report

import (
	"cmp"
	"encoding/json"
	"slices"
)

// groupKey is the member by which the objects of a list are one client's.
const groupKey = "ip"

// grouped joins the objects of a list that have the same "ip", as those of
// several servers or windows may, and puts those with most items first. A list
// where there is nothing to join is returned as it is.
func grouped(list []json.RawMessage) []json.RawMessage {
	v := Value{shape: ListOf}
	type group struct {
		key   string
		value *node
		items int
	}
	var groups []*group
	byKey := make(map[string]*group)
	for _, item := range list {
		var members map[string]json.RawMessage
		var key string
		if json.Unmarshal(item, &members) != nil || json.Unmarshal(members[groupKey], &key) != nil {
			return list
		}
		delete(members, groupKey)
		n := &node{members: make(map[string]*node, len(members))}
		for name, raw := range members {
			m, err := parseNode(raw)
			if err != nil {
				return list
			}
			n.members[name] = m
		}
		g := byKey[key]
		if g == nil {
			g = &group{key: key, value: &node{}}
			byKey[key] = g
			groups = append(groups, g)
		}
		v.merge(g.value, n)
	}
	if len(groups) == len(list) {
		return list
	}
	for _, g := range groups {
		g.items = g.value.items()
	}
	slices.SortFunc(groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(b.items, a.items), cmp.Compare(a.key, b.key))
	})
	joined := make([]json.RawMessage, 0, len(groups))
	for _, g := range groups {
		b := AppendString([]byte(`{"`+groupKey+`":`), g.key)
		if members := g.value.append(nil, 0); len(members) > 2 {
			b = append(append(b, ','), members[1:]...)
		} else {
			b = append(b, '}')
		}
		joined = append(joined, b)
	}
	return joined
}

// items counts what is in the lists under n.
func (n *node) items() int {
	count := len(n.list)
	for _, m := range n.members {
		count += m.items()
	}
	return count
}

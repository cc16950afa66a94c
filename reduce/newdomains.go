package reduce

import (
	"fmt"

	"ratadns/report"
)

// newDomains tells the registered domains that the server has not been asked for
// in the last days, with their queries in the window where they come up. Its
// window counts all domains; what was seen before is the group's, and grows only
// when a window is reported, so that it does not depend on who shares the work.
type newDomains struct {
	*declared
	seen *memory
	// For reports.
	fresh  []rankedRow
	hashes []uint64
}

// defaultDays is how long a domain is remembered.
const defaultDays = 7

func newNewDomains(w *Window, u *groupUse) Reducer {
	n := &newDomains{seen: w.group.memory(&u.Use)}
	n.declared = &declared{params: u.Params}
	n.tally = w.newTally([]dim{w.group.dim("registered_domain")}, Count, u.keys())
	return n
}

func (n *newDomains) Report(r *report.Report) {
	n.seen.turn(r.Window.Start)
	rows := n.ranked()
	fresh, hashes := n.fresh[:0], n.hashes[:0]
	latest, lasts := n.seen.parts[0], n.seen.names+len(rows) <= memoryNames
	for i := range rows {
		h := nameHash(n.rankings[0].text(rows[i].keys[0]))
		if lasts && latest.has(h) {
			continue // as it will be afterwards, since no other part begins
		}
		if hashes = append(hashes, h); !n.seen.has(h) {
			fresh = append(fresh, rows[i])
		}
	}
	for _, h := range hashes { // those that were there already stay as long as they come
		n.seen.add(h)
	}
	n.hashes = hashes
	n.fresh = fresh
	var shown []int32
	top := n.cutoff(fresh, n.params.Top, n.params.Ties)
	for _, i := range n.best(fresh) {
		if top.takes(fresh[i].n) {
			shown = append(shown, i)
		}
	}
	n.reportTable(r, fresh, shown, false)
}

func nameHash(name string) uint64 { return pairHash("", name) }

// memory remembers what has been seen in the last days: a Bloom filter (1970) for
// each eighth of that time, of which the oldest is forgotten when a new one
// begins. Full ones are closed early, so that it remembers the latest
// remembered names, at least, in 2 MiB; of names that it has never seen it knows
// one in some 250 when it is full.
type memory struct {
	parts [memoryParts]*bloom
	names int   // in parts[0]
	began int64 // parts[0], in capture time
	turns int64 // how long a part lasts
}

const (
	memoryParts  = 9
	memoryBits   = 1 << 21
	memoryNames  = memoryBits / 16 // of one part
	memoryHashes = 10
	remembered   = memoryNames * (memoryParts - 1)
)

func newMemory(days int) *memory {
	if days == 0 {
		days = defaultDays
	}
	return &memory{turns: int64(days) * 86400e9 / (memoryParts - 1)}
}

// clone is a copy. Only the first part still changes.
func (m *memory) clone() *memory {
	c := *m
	if m.parts[0] != nil {
		first := *m.parts[0]
		c.parts[0] = &first
	}
	return &c
}

// turn begins a new part when t is the time for it, or capture begins anew.
func (m *memory) turn(t int64) {
	switch {
	case m.parts[0] == nil, t < m.began-m.turns:
		*m = memory{turns: m.turns, began: t}
		m.parts[0] = new(bloom)
	case t-m.began >= m.turns:
		over := (t - m.began) / m.turns
		for range min(over, memoryParts) {
			m.next()
		}
		// Not t, or each part would last as long as some windows do together.
		m.began += over * m.turns
	}
}

func (m *memory) next() {
	copy(m.parts[1:], m.parts[:])
	m.parts[0], m.names = new(bloom), 0
}

func (m *memory) has(h uint64) bool {
	for _, p := range m.parts {
		if p != nil && p.has(h) {
			return true
		}
	}
	return false
}

func (m *memory) add(h uint64) {
	if m.parts[0].has(h) {
		return
	}
	if m.names == memoryNames {
		m.next()
	}
	m.names++
	m.parts[0].add(h)
}

type bloom [memoryBits / 64]uint64

// place is where the i-th bit of a hash stands (Kirsch and Mitzenmacher, 2006).
func (b *bloom) place(h uint64, i int) (word, bit uint64) {
	n := (h + uint64(i)*(h<<32|h>>32|1)) % memoryBits
	return n / 64, 1 << (n % 64)
}

func (b *bloom) has(h uint64) bool {
	for i := range memoryHashes {
		if word, bit := b.place(h, i); b[word]&bit == 0 {
			return false
		}
	}
	return true
}

func (b *bloom) add(h uint64) {
	for i := range memoryHashes {
		word, bit := b.place(h, i)
		b[word] |= bit
	}
}

// memory is that of a use, which outlives windows and configurations.
func (g *Group) memory(u *Use) *memory {
	for i := range g.uses {
		if &g.uses[i].Use != u {
			continue
		}
		key := g.memoryKey(i)
		if g.memories[key] == nil {
			if g.memories == nil {
				g.memories = make(map[string]*memory)
			}
			g.memories[key] = newMemory(u.Days)
		}
		return g.memories[key]
	}
	return newMemory(u.Days)
}

// memoryKey is the same for the same use of another configuration.
func (g *Group) memoryKey(i int) string {
	key := func(u *Use) string {
		where := ""
		if u.Where != nil {
			where = u.Where.text
		}
		return fmt.Sprint(u.Entry.Name, " ", u.Days, " ", where)
	}
	mine, same := key(&g.uses[i].Use), 0
	for j := range i {
		if key(&g.uses[j].Use) == mine {
			same++
		}
	}
	return fmt.Sprint(mine, " ", same)
}

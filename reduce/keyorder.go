package reduce

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"sort"
	"strings"

	"ratadns/report"
)

// Keys of a report are in the order of their texts, and many texts are new in
// each window: to sort the rows of several tables by them took more than to count
// them. So each text is given its place among all of its dimension, names once
// for a window, and rows are sorted by those numbers.

// A keyOrder is the order of the keys of one dimension of a table. A rank is one
// more than twice the place of its text; that of the key of events without a
// value stands between those of its neighbours.
type keyOrder struct {
	names        *interner // of octets; numbers have their own texts
	numbers      []uint32  // ascending
	small        numbering // of numbers, where none is large
	ranks        []uint32  // of numbers
	texts        []string  // of numbers, in their order
	members      *members
	own          members // of numbers
	longest      int     // of the texts
	absent       string
	absentMember []byte
	absentRank   uint32
	scratch      []byte
	order        textOrder
}

// Members are keys in their order, each as a member of an object begins.
type members struct {
	text []byte
	ends []int // of each, after a zero
}

func (m *members) begin() { m.text, m.ends = m.text[:0], append(m.ends[:0], 0) }

func (m *members) add(key string) {
	m.text = append(report.AppendString(m.text, key), ':')
	m.ends = append(m.ends, len(m.text))
}

func (m *members) at(place uint32) []byte { return m.text[m.ends[place]:m.ends[place+1]] }

// A textOrder puts texts in order: by what they begin with, of which there is as
// much as their numbers leave room for, and the few that begin alike by all.
// Numbers are sorted quickly.
type textOrder struct {
	room         int // bits of a number
	begun, spare []uint64
	numbers      []uint32 // of texts, in their order
}

// begin empties it for numbers up to a limit.
func (o *textOrder) begin(limit int) { o.room, o.begun = bits.Len(uint(limit)), o.begun[:0] }

// add adds a text and its number.
func (o *textOrder) add(text string, number int) {
	o.begun = append(o.begun, firstOctets(text)>>o.room<<o.room|uint64(number))
}

// sorted are the numbers in the order of their texts.
func (o *textOrder) sorted(text func(uint32) string) []uint32 {
	room := o.room
	if !slices.IsSorted(o.begun) {
		o.begun, o.spare = sortNumbers(o.begun, o.spare, room)
	}
	o.numbers = o.numbers[:0]
	for start, i := 0, 0; i < len(o.begun); i++ {
		o.numbers = append(o.numbers, uint32(o.begun[i]&(1<<room-1)))
		if i+1 == len(o.begun) || o.begun[i]>>room != o.begun[i+1]>>room {
			if alike := o.numbers[start:]; len(alike) > 1 {
				slices.SortFunc(alike, func(a, b uint32) int { return strings.Compare(text(a), text(b)) })
			}
			start = i + 1
		}
	}
	return o.numbers
}

// firstOctets are eight of them, whose order is that of the texts they begin;
// where a text has fewer, zeros follow.
func firstOctets(text string) (octets uint64) {
	if len(text) >= 8 {
		return binary.BigEndian.Uint64([]byte(text[:8]))
	}
	for i := range len(text) {
		octets |= uint64(text[i]) << (56 - 8*i)
	}
	return octets
}

// sorted are the numbers of the names that are held, in the order of their texts;
// ranks has the rank of each.
func (in *interner) sorted() []uint32 {
	if in.ordered == in.added && len(in.order.numbers) > 0 {
		return in.order.numbers
	}
	in.ordered = in.added
	in.order.begin(len(in.texts))
	for id, refs := range in.refs {
		if refs > 0 {
			in.order.add(in.texts[id], id)
		}
	}
	order := in.order.sorted(func(id uint32) string { return in.texts[id] })
	in.ranks = slices.Grow(in.ranks[:0], len(in.texts))[:len(in.texts)]
	for i := range in.byField {
		in.byField[i] = in.byField[i][:0]
	}
	in.members.begin()
	for place, id := range order {
		in.ranks[id] = uint32(2*place + 1)
		in.members.add(in.texts[id])
		for fields := in.fields[id]; fields != 0; fields &= fields - 1 {
			lane := &in.byField[bits.TrailingZeros16(fields)%lanes]
			*lane = append(*lane, id)
		}
	}
	return order
}

// rankNames ranks the keys of octets.
func (r *keyOrder) rankNames(names *interner, absent string) {
	order := names.sorted()
	r.names, r.members, r.longest = names, &names.members, names.longest
	r.setAbsent(absent, len(order), func(i int) string { return names.texts[order[i]] })
}

// rankNumbers ranks numbers, which it sorts.
func (r *keyOrder) rankNumbers(numbers []uint32, f *Field, style *Style) {
	r.names, r.members, r.longest = nil, &r.own, 0
	r.sort(numbers)
	n := len(r.numbers)
	r.scratch = r.scratch[:0]
	ends := make([]int, n)
	for i, v := range r.numbers {
		r.scratch = f.appendNumber(r.scratch, v, style)
		ends[i] = len(r.scratch)
	}
	all, start := string(r.scratch), 0
	texts := make([]string, n)
	r.order.begin(n)
	for i, end := range ends {
		texts[i], start = all[start:end], end
		r.order.add(texts[i], i)
	}
	r.texts = slices.Grow(r.texts[:0], n)[:n]
	r.ranks = slices.Grow(r.ranks[:0], n)[:n]
	for place, i := range r.order.sorted(func(i uint32) string { return texts[i] }) {
		r.texts[place], r.ranks[i] = texts[i], uint32(2*place+1)
	}
	r.own.begin()
	for _, text := range r.texts {
		r.own.add(text)
		r.longest = max(r.longest, len(text))
	}
	r.setAbsent(f.absent, n, func(i int) string { return r.texts[i] })
}

// sort makes numbers those of r, each once.
func (r *keyOrder) sort(numbers []uint32) {
	most := uint32(0)
	for _, v := range numbers {
		most = max(most, v)
	}
	if most >= smallNumbers {
		r.small.begin(0)
		slices.Sort(numbers)
		r.numbers = slices.Compact(numbers)
		return
	}
	r.small.begin(int(most) + 1)
	for _, v := range numbers {
		r.small.put(v)
	}
	r.small.count()
	r.numbers = r.small.append(numbers[:0])
}

// setAbsent ranks the key of events without a value among n texts.
func (r *keyOrder) setAbsent(text string, n int, at func(int) string) {
	r.absent, r.longest = text, max(r.longest, len(text))
	r.absentMember = append(report.AppendString(r.absentMember[:0], text), ':')
	r.absentRank = uint32(2 * sort.Search(n, func(i int) bool { return at(i) >= text }))
}

// rank is that of a key.
func (r *keyOrder) rank(k uint32) uint32 {
	switch {
	case k == absentValue:
		return r.absentRank
	case r.names != nil:
		return r.names.ranks[k]
	}
	if len(r.small.words) > 0 {
		return r.ranks[r.small.place(k)]
	}
	i, _ := slices.BinarySearch(r.numbers, k)
	return r.ranks[i]
}

// number is that of which the key has that rank.
func (r *keyOrder) number(rank uint32) uint32 { return r.numbers[r.order.numbers[rank/2]] }

// text is the key of that rank.
func (r *keyOrder) text(rank uint32) string {
	switch {
	case rank&1 == 0:
		return r.absent
	case r.names != nil:
		return r.names.texts[r.names.order.numbers[rank/2]]
	}
	return r.texts[rank/2]
}

// member is the key of that rank as a member of an object begins.
func (r *keyOrder) member(rank uint32) []byte {
	if rank&1 == 0 {
		return r.absentMember
	}
	return r.members.at(rank / 2)
}

// limit is more than any rank.
func (r *keyOrder) limit() int {
	if r.names != nil {
		return 2*len(r.names.order.numbers) + 2
	}
	return 2*len(r.numbers) + 2
}

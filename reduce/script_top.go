package reduce

import (
	"cmp"
	"slices"

	"ratadns/report"
)

// A row is a key with its count.
type row struct {
	key string
	n   uint64
}

// maxData bounds the data of a report, which has a state of at most 2048 keys
// and its window beside them.
const maxData = report.MaxReport - 4<<20

// shown is how many of the ranked rows are shown: top of them, more where ties
// are kept, all where top is 0, and never more than fit a report.
func shown(rows []row, top int, ties bool) int {
	n := len(rows)
	if top > 0 && top < n {
		n = top
		for ties && n < len(rows) && rows[n].n == rows[top-1].n {
			n++
		}
	}
	size := 0
	for i := range rows[:n] {
		// An octet of a key takes at most six in JSON; most take one.
		if size += len(rows[i].key) + 32; size > maxData/2 {
			return i
		}
	}
	return n
}

// appendTable appends rows as an object, keys ascending, and tells what the
// table left out beside them.
func appendTable(dst []byte, rows, left []row) []byte {
	all := slices.Clone(rows)
	if len(left) > 0 {
		sum := uint64(0)
		for _, r := range left {
			sum += r.n
		}
		all = append(all, row{report.SkippedKey, uint64(len(left))}, row{report.SkippedSumKey, sum})
	}
	slices.SortFunc(all, func(a, b row) int { return cmp.Compare(a.key, b.key) })
	dst = append(dst, '{')
	for i, r := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(report.AppendString(dst, r.key), ':')
		dst = report.AppendCount(dst, r.n)
	}
	return append(dst, '}')
}

// appendPairs appends rows as [["key",5],…].
func appendPairs(dst []byte, rows []row) []byte {
	dst = append(dst, '[')
	for i, r := range rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = report.AppendString(append(dst, '['), r.key)
		dst = append(report.AppendCount(append(dst, ','), r.n), ']')
	}
	return append(dst, ']')
}

// appendState appends what merging needs of a table whose data were cut. Two
// of its keys may have to tell what it leaves out itself.
func appendState(dst []byte, rows []row) []byte {
	n := len(rows)
	if n > report.MaxState {
		n = report.MaxState - 2
	}
	return appendTable(dst, rows[:n], rows[n:])
}

package golden

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
)

// object is what a table is in JSON.
type object = map[string]any

// A table counts by one or two keys.
type table struct {
	rows    map[[2]string]uint64
	keyless uint64
	zeros   []string // inner keys that are always there
	bin     int      // width of the ranges that inner keys are: those up to the largest are always there
	largest int
}

// tabulate counts the messages of a scope by the keys that f tells; without
// any the message is keyless.
func (tr *traffic) tabulate(in scope, f func(m *message) []string) *table {
	return tr.sum(in, func(m *message) ([]string, int) { return f(m), 1 })
}

// sum adds up what f tells of each message.
func (tr *traffic) sum(in scope, f func(m *message) ([]string, int)) *table {
	t := &table{rows: make(map[[2]string]uint64), largest: -1}
	for _, m := range tr.messages {
		if !in(m) {
			continue
		}
		keys, n := f(m)
		if keys == nil {
			t.keyless++
			continue
		}
		t.rows[[2]string(append(keys, "")[:2])] += uint64(n)
	}
	return t
}

// listing gives the table keys that are always there.
func (t *table) listing(keys ...string) *table { t.zeros = keys; return t }

// ranges makes numbers as inner keys ranges; others stay.
func (t *table) ranges(width int) *table {
	rows := make(map[[2]string]uint64)
	t.bin = width
	for k, n := range t.rows {
		last := 0
		if k[1] != "" {
			last = 1
		}
		if v, err := strconv.Atoi(k[last]); err == nil {
			t.largest = max(t.largest, v/width)
			k[last] = rangeKey(v/width, width)
		}
		rows[k] += n
	}
	t.rows = rows
	return t
}

func rangeKey(i, width int) string {
	return strconv.Itoa(i*width) + "-" + strconv.Itoa(i*width+width-1)
}

// A ranked is a key with its count.
type ranked struct {
	key string
	n   uint64
}

// ranking has the largest count first, then the lowest key.
func ranking(rows map[string]uint64) (list []ranked) {
	for k, n := range rows {
		list = append(list, ranked{k, n})
	}
	slices.SortFunc(list, func(a, b ranked) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.key, b.key)) })
	return list
}

// shown is the number of the first top of so many, all where top is 0.
func shown(all, top int) int {
	if top == 0 {
		return all
	}
	return min(all, top)
}

// inner is a table by one key, of which the top are shown.
func (t *table) inner(rows map[string]uint64, top int) object {
	o := object{}
	list := ranking(rows)
	for _, key := range t.zeros {
		o[key] = 0
	}
	for i := 0; t.bin > 0 && i <= t.largest; i++ {
		o[rangeKey(i, t.bin)] = 0
	}
	n := shown(len(list), top)
	for _, r := range list[:n] {
		o[r.key] = r.n
	}
	if n < len(list) {
		sum := uint64(0)
		for _, r := range list[n:] {
			sum += r.n
		}
		o["-:SKIPPED:-"], o["-:SKIPPED_SUM:-"] = len(list)-n, sum
	}
	return o
}

// by1 is the table by one key.
func (t *table) by1(top int) object {
	rows := make(map[string]uint64)
	for k, n := range t.rows {
		rows[k[0]] += n
	}
	return t.inner(rows, top)
}

// by2 is the table by two keys, of which the top of each outer key are shown.
func (t *table) by2(top int) object {
	o := object{}
	outer := make(map[string]map[string]uint64)
	for k, n := range t.rows {
		if outer[k[0]] == nil {
			outer[k[0]] = make(map[string]uint64)
		}
		outer[k[0]][k[1]] += n
	}
	for k, rows := range outer {
		o[k] = t.inner(rows, top)
	}
	return o
}

// pairs are the top of a table by one key.
func (t *table) pairs(top int) [][2]any {
	rows := make(map[string]uint64)
	for k, n := range t.rows {
		rows[k[0]] += n
	}
	list := ranking(rows)
	pairs := [][2]any{}
	for _, r := range list[:shown(len(list), top)] {
		pairs = append(pairs, [2]any{r.key, r.n})
	}
	return pairs
}

// plain is a value as JSON has it: objects, lists, and numbers as they are
// written.
func plain(v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return decode(b)
}

package reduce

import (
	"cmp"
	"slices"

	"ratadns/report"
)

// shares measures several things of each name or address, and tells of those
// where they stand in a certain relation. What it measures adds up, so that who
// merges its reports sees a table like others.
type shares struct {
	*declared
	words []string // of what is measured
	put   func(e *Event, n *measured) bool
	rank  func(n *measured) float64
	key   dim
}

// measured is what shares measures of one event or of all, by the place of its
// word.
type measured [3]uint64

// newShares makes reducers that measure what put says, which may be nothing,
// by one field. rank says how much a row is worth telling, 0 is not at all.
func newShares(by string, words []string, put func(*Event, *measured) bool, rank func(*measured) float64) func(*Group, *Use, *interner) Reducer {
	return func(g *Group, u *Use, names *interner) Reducer {
		s := &shares{words: words, put: put, rank: rank, key: g.dim(by)}
		what := dim{Field: &Field{Kind: Choice, words: words}}
		s.declared = &declared{by: []dim{s.key, what}, measure: Sum, params: u.Params, style: g.style}
		if s.params.Top == 0 {
			s.params.Top = DefaultTop
		}
		s.table = newTable(names, []*Field{s.key.Field, what.Field}, max(s.params.maxKeys(), 1)*len(words))
		return s
	}
}

func (s *shares) Add(e *Event) {
	var n measured
	if !s.put(e, &n) {
		return
	}
	v, ok := e.value(s.key)
	if !ok {
		s.keyless++
		return
	}
	for i := range s.words {
		if n[i] > 0 {
			s.table.add(&key{v, uint32(i)}, n[i])
		}
	}
}

func (s *shares) Merge(other Reducer) { s.declared.Merge(other.(*shares).declared) }

func (s *shares) Report(r *report.Report) {
	rows := s.ranked()
	shown := s.choose(rows)
	s.reportTable(r, rows, shown)
}

// choose puts the rows of what is worth telling first and returns their number.
func (s *shares) choose(rows []reportRow) int {
	all := make(map[string]*measured)
	for i := range rows {
		n := all[rows[i].keys[0]]
		if n == nil {
			n = new(measured)
			all[rows[i].keys[0]] = n
		}
		// A sketch may have added so much, which must not be told as found.
		n[slices.Index(s.words, rows[i].keys[1])] = rows[i].n - min(rows[i].n, s.table.error)
	}
	type ranked struct {
		key  string
		rank float64
	}
	var list []ranked
	for k, n := range all {
		if rank := s.rank(n); rank > 0 {
			list = append(list, ranked{k, rank})
		}
	}
	slices.SortFunc(list, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(b.rank, a.rank), cmp.Compare(a.key, b.key))
	})
	n := min(s.params.Top, len(list))
	for s.params.Ties && n > 0 && n < len(list) && list[n].rank == list[n-1].rank {
		n++
	}
	place := make(map[string]int)
	for i := range list[:n] {
		place[list[i].key] = i - n
	}
	slices.SortStableFunc(rows, func(a, b reportRow) int {
		return cmp.Compare(place[a.keys[0]], place[b.keys[0]])
	})
	shown := 0
	for shown < len(rows) && place[rows[shown].keys[0]] < 0 {
		shown++
	}
	return shown
}

// reportTable fills in a report of the first rows, which tells of the others.
func (d *declared) reportTable(r *report.Report, rows []reportRow, shown int) {
	r.Window.Keyless += d.keyless
	r.Window.Error = max(r.Window.Error, d.table.error)
	r.Shape = report.TableOf
	shown = shownRows(rows[:shown], 0, false)
	w := tableWriter{d: d, dst: d.written[:0]}
	w.table(rows[:shown], rows[shown:])
	data := len(w.dst)
	if shown < len(rows) || d.table.over {
		kept := stateRows(rows, len(d.by))
		w.table(rows[:kept], rows[kept:])
		r.State = w.dst[data:]
	}
	r.Data, d.written = w.dst[:data:data], w.dst
}

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
	of    []dim    // what put looks at
	put   func(e *Event, of []dim, n *measured) bool
	rank  func(n *measured) float64
	key   dim
	n     measured // of one event, or one key
}

// measured is what shares measures of one event or of all, by the place of its
// word.
type measured [maxWords]uint64

// newShares makes reducers that measure what put says of some fields, which may be
// nothing, by another. rank says how much a row is worth telling, 0 is not at all.
func newShares(by string, words []string, of []Field, put func(*Event, []dim, *measured) bool, rank func(*measured) float64) func(*Window, *groupUse) Reducer {
	return func(w *Window, u *groupUse) Reducer {
		g := w.group
		s := &shares{words: words, put: put, rank: rank, key: g.dim(by)}
		for i := range of {
			s.of = append(s.of, g.dimOf(&of[i]))
		}
		s.declared = &declared{params: u.Params}
		s.tally = w.newWordTally(s.key, words, false, u.keys()*len(words))
		if s.params.Top == 0 {
			s.params.Top = DefaultTop
		}
		return s
	}
}

func (s *shares) Add(e *Event) {
	s.n = measured{}
	if !s.put(e, s.of, &s.n) {
		return
	}
	v, ok := e.value(s.key)
	if !ok {
		s.keyless++
		return
	}
	for i := range s.words {
		if s.n[i] > 0 {
			s.addWord(v, uint32(i), s.n[i])
		}
	}
}

func (s *shares) Report(r *report.Report) {
	rows := s.ranked()
	s.reportTable(r, rows, s.choose(rows), true)
}

// choose are the places of the rows of what is worth telling.
func (s *shares) choose(rows []rankedRow) (places []int32) {
	type ranked struct {
		first, end int32 // its rows
		rank       float64
	}
	var list []ranked
	excess := uint64(0) // which a sketch may have added, and which must not be told as found
	if s.table != nil {
		excess = s.table.error
	}
	for first, end := 0, 0; first < len(rows); first = end {
		end = groupEnd(rows, first, 0)
		s.n = measured{}
		for i := range rows[first:end] {
			r := &rows[first+i]
			s.n[s.rankings[1].number(r.keys[1])] = r.n - min(r.n, excess)
		}
		if rank := s.rank(&s.n); rank > 0 {
			list = append(list, ranked{int32(first), int32(end), rank})
		}
	}
	slices.SortFunc(list, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(b.rank, a.rank), cmp.Compare(a.first, b.first))
	})
	n := min(s.params.Top, len(list))
	for s.params.Ties && n > 0 && n < len(list) && list[n].rank == list[n-1].rank {
		n++
	}
	for _, l := range list[:n] {
		for _, i := range s.best(rows[l.first:l.end]) {
			places = append(places, l.first+i)
		}
	}
	return places
}

// reportTable fills in a report of the rows at those places, and tells of the
// others. With whole, those of one first key are there all or none: what is
// measured of it would else not be what was.
func (d *declared) reportTable(r *report.Report, rows []rankedRow, shown []int32, whole bool) {
	r.Window.Keyless += d.keyless
	over := d.addError(r)
	r.Shape = report.TableOf
	w := tableWriter{d: d, dst: d.written[:0]}
	fitting := d.fitting(rows, shown)
	if whole {
		fitting = wholeKeys(rows, shown, fitting)
	}
	d.show(rows, shown[:fitting])
	w.table(rows)
	data := len(w.dst)
	if over || fitting < len(rows) {
		d.leave(rows, len(rows))
		if !d.fitsState(rows) {
			// Those that are shown come first, then the others as they are ranked.
			d.show(rows, shown)
			order := append(make([]int32, 0, len(rows)), shown...)
			for _, i := range d.best(rows) {
				first, end := i, i+1
				for whole && first > 0 && rows[first-1].keys[0] == rows[i].keys[0] {
					first--
				}
				for whole && int(end) < len(rows) && rows[end].keys[0] == rows[i].keys[0] {
					end++
				}
				for ; first < end; first++ {
					if rows[first].left {
						rows[first].left = false
						order = append(order, first)
					}
				}
			}
			if whole {
				d.show(rows, order[:wholeState(rows, order)])
			} else {
				d.show(rows, order[:d.stateOf(rows, order)])
			}
		}
		w.writeState(rows)
		r.State = w.dst[data:]
	}
	r.Data, d.written = w.dst[:data:data], w.dst
}

// wholeKeys is how many of the first n rows at those places there are without
// those of a key that goes on behind them.
func wholeKeys(rows []rankedRow, places []int32, n int) int {
	if n == len(places) {
		return n
	}
	for n > 0 && rows[places[n-1]].keys[0] == rows[places[n]].keys[0] {
		n--
	}
	return n
}

// wholeState is how many of the rows at those places a state may have, whose keys
// have nothing to tell of what was left out of them.
func wholeState(rows []rankedRow, places []int32) int {
	keys := 2
	for n, i := range places {
		if keys++; n == 0 || rows[i].keys[0] != rows[places[n-1]].keys[0] {
			keys++
		}
		if keys > report.MaxState {
			return wholeKeys(rows, places, n)
		}
	}
	return len(places)
}

// show leaves out all rows but those at those places.
func (d *declared) show(rows []rankedRow, places []int32) {
	for i := range rows {
		rows[i].left = true
	}
	for _, i := range places {
		rows[i].left = false
	}
}

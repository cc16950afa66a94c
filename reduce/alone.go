package reduce

import "ratadns/report"

// alone lists the queries without a response and the reverse of one window. A
// query is alone in the window that holds the end of its time.
type alone struct {
	budget             budget
	queries, responses items
	nq, nr             uint64
	data               []byte
}

func newAlone(p Params) Reducer {
	return &alone{budget: p.budget(DefaultSamples)}
}

func (a *alone) Add(e *Event) {
	switch e.Match {
	case TimedOut:
		a.nq++
		a.list(&a.queries, e, order{e.Time, e.Place})
	case Unasked:
		a.nr++
		a.list(&a.responses, e, order{0, e.Place})
	}
}

func (a *alone) list(l *items, e *Event, at order) {
	// A query that was too much to keep is counted only.
	if a.budget.full(l) || e.Match == TimedOut && e.Bare {
		a.budget.skipped++
		return
	}
	a.budget.add(l, e.Object(), at)
}

func (a *alone) Merge(other Reducer) {
	o := other.(*alone)
	a.nq += o.nq
	a.nr += o.nr
	a.budget.join(&o.budget)
	a.budget.merge(&a.queries, &o.queries)
	a.budget.merge(&a.responses, &o.responses)
	a.budget.trim(&a.queries, &a.responses)
}

func (a *alone) Report(r *report.Report) {
	a.data = append(a.data[:0], `{"queries":`...)
	a.data = report.AppendCount(a.data, a.nq)
	a.data = append(a.data, `,"answers":`...)
	a.data = report.AppendCount(a.data, a.nr)
	a.data = append(append(a.data, `,"AloneQueries":`...), a.queries.json()...)
	a.data = append(append(a.data, `,"AloneAnswers":`...), a.responses.json()...)
	a.data = append(a.data, '}')
	r.Data, r.Shape = a.data, report.ListOf
	r.Window.Skipped += a.budget.skipped
}

func (a *alone) Reset() {
	a.budget.reset()
	a.nq, a.nr = 0, 0
	a.queries.reset()
	a.responses.reset()
}

package reduce

import "ratadns/report"

// rate counts messages and tells them per second of the window.
type rate struct {
	names []string
	n     [3]uint64 // all, queries, responses
	data  []byte
	state []byte
}

// rates makes reducers of rates under those names: qps counts queries, aps
// responses, pps all messages.
func rates(names ...string) func(Params) Reducer {
	return func(Params) Reducer { return &rate{names: names} }
}

func (r *rate) Add(e *Event) {
	r.n[0]++
	if e.QR() {
		r.n[2]++
	} else {
		r.n[1]++
	}
}

func (r *rate) Merge(other Reducer) {
	for i, n := range other.(*rate).n {
		r.n[i] += n
	}
}

func (r *rate) Report(out *report.Report) {
	seconds := out.Window.Seconds()
	r.data = append(r.data[:0], '{')
	for i, name := range r.names {
		if i > 0 {
			r.data = append(r.data, ',')
		}
		r.data = append(report.AppendString(r.data, name), ':')
		// Over no time there is no rate: 0/0 and n/0 are written as null.
		r.data = report.AppendNumber(r.data, float64(r.count(name))/seconds)
	}
	r.data = append(r.data, '}')
	out.Data, out.Shape = r.data, report.Rate
	if seconds == 0 {
		// The rates say nothing then, but their counts still add up.
		r.state = append(r.state[:0], '{')
		for i, name := range r.names {
			if i > 0 {
				r.state = append(r.state, ',')
			}
			r.state = append(report.AppendString(r.state, name), ':')
			r.state = report.AppendCount(r.state, r.count(name))
		}
		r.state = append(r.state, '}')
		out.State = r.state
	}
}

// count is what the rate of that name counts.
func (r *rate) count(name string) uint64 {
	switch name {
	case "qps":
		return r.n[1]
	case "aps":
		return r.n[2]
	}
	return r.n[0]
}

func (r *rate) Reset() { r.n = [3]uint64{} }

func (p *Params) maxKeys() int {
	if p.MaxKeys == 0 {
		return DefaultMaxKeys
	}
	return p.MaxKeys
}

func (p *Params) samples(preset int) int {
	if p.Samples == 0 {
		return preset
	}
	return p.Samples
}

// budget is that of a reducer whose lists have so many items unless told.
func (p *Params) budget(samples int) budget {
	return budget{samples: p.samples(samples), keys: p.maxKeys(), ordered: p.Workers > 1}
}

// null reports nothing.
type null struct{}

func newNull(Params) Reducer { return null{} }

func (null) Add(*Event)    {}
func (null) Merge(Reducer) {}
func (null) Reset()        {}
func (null) Report(r *report.Report) {
	r.Data, r.Shape = []byte("null"), report.Count
}

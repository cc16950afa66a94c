package reduce

import "time"

// topSlow ranks QNAMEs by their latency, summed, and by how often they took
// longer than a threshold. What had no response in time took longer than any.
type topSlow struct {
	*declared
	threshold int64
	qname     dim
}

// defaultThreshold is a delay that people notice (Miller, 1968).
const defaultThreshold = 100 * time.Millisecond

// The rankings, by their place in slowWords.
const (
	byLatency = iota
	byCount
)

var slowWords = []string{"latency", "slow"}

func newTopSlow(w *Window, u *groupUse) Reducer {
	s := &topSlow{threshold: int64(u.Threshold), qname: w.group.dim("qname")}
	if s.threshold == 0 {
		s.threshold = int64(defaultThreshold)
	}
	s.declared = &declared{params: u.Params}
	s.tally = w.newWordTally(s.qname, slowWords, true, 2*u.keys())
	if s.params.Top == 0 {
		s.params.Top = DefaultTop
	}
	return s
}

func (s *topSlow) Add(e *Event) {
	name, ok := e.value(s.qname)
	if !ok {
		s.keyless++
		return
	}
	if us := uint64(e.LatencyNS / 1000); e.Match == Answered && us > 0 {
		s.addWord(name, byLatency, us)
	}
	if e.Match == TimedOut || e.LatencyNS > s.threshold {
		s.addWord(name, byCount, 1)
	}
}

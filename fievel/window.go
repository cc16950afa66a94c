package fievel

import (
	"slices"

	"ratadns/reduce"
	"ratadns/report"
)

// A sequence is the windows of one length at one server.
type sequence struct {
	server *server
	silent bool // no message yet, and no empty windows to be reported
	// Packets have been counted: reducers of packets report while it is silent.
	watched bool
	set     *set      // of the windows that begin now
	open    []*window // by seq
	quiet   int       // empty windows reported in a row
	last    int64     // seq reported last, or -1
	lost    uint64
	end     int64 // of the last window of messages
	seq     int64 // of the next window of messages
	jumped  bool  // which begins at its first message
	// Packets of no window yet.
	packets reduce.PacketCounts
}

// A window is open until it is reported.
type window struct {
	server              *server
	final               bool // the input ends here, or its time begins anew
	onlyPackets         bool // no message has come yet: no other reducers report
	set                 *set
	seq                 int64
	start, end          int64
	messages, malformed uint64
	lost                uint64
	partial             bool
	gap                 int64
	parts               []*reduce.Window // nil where a part has nothing
	packets             reduce.PacketCounts
}

// waits reports whether queries wait for their responses; the parts have done
// their work.
func (q *sequence) waits() bool { return slices.ContainsFunc(q.set.groups, (*reduce.Group).Waiting) }

// reports says that windows are reported, empty ones too.
func (q *sequence) reports() bool { return !q.silent || q.watched }

// first is the oldest open window, or nil.
func (q *sequence) first() *window {
	if len(q.open) == 0 {
		return nil
	}
	return q.open[0]
}

// at returns the open window of time of that seq.
func (q *sequence) at(seq, length int64) *window {
	i := len(q.open)
	for i > 0 && q.open[i-1].seq > seq {
		i--
	}
	if i > 0 && q.open[i-1].seq == seq {
		return q.open[i-1]
	}
	w := q.window()
	w.place(seq, length)
	q.open = slices.Insert(q.open, i, w)
	return w
}

// running is the open window of so many messages, for one at t.
func (q *sequence) running(t int64) *window {
	w := q.first()
	q.silent = false
	if w == nil {
		w = q.window()
		if q.jumped {
			if q.seq > 0 {
				w.gap = max(0, t-q.end)
			}
			q.jumped, q.end = false, t
		}
		w.seq, w.start, w.end = q.seq, q.end, q.end
		q.open = append(q.open, w)
	}
	// Packets may come slightly out of order; a window does not end before
	// it begins.
	w.end = max(w.end, t)
	return w
}

// window returns an empty window.
func (q *sequence) window() *window {
	return &window{set: q.set, parts: make([]*reduce.Window, len(q.set.groups))}
}

// count counts packets in a window, or where that is nil in the next one that is
// reported.
func (q *sequence) count(w *window, kind reduce.PacketKind, n uint64) {
	to := &q.packets
	if w != nil {
		to = &w.packets
	}
	if *to == nil {
		*to = make(reduce.PacketCounts)
	}
	(*to)[kind] += n
}

// place says when a window of time is.
func (w *window) place(seq, length int64) {
	w.seq, w.start, w.end = seq, seq*length, (seq+1)*length
}

func (w *window) header() report.Window {
	return report.Window{
		Start: w.start, End: w.end, Seq: w.seq, Messages: w.messages, Malformed: w.malformed,
		Lost: w.lost, Partial: w.partial, Gap: w.gap,
	}
}

// time is where the window stands among others: its start, but for the first of
// so many messages, which has none.
func (w *window) time() int64 {
	if w.start == 0 {
		return w.end
	}
	return w.start
}

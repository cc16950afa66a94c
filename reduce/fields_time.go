package reduce

import (
	"slices"
	"strconv"

	"ratadns/speedy"
)

// latencySteps are the upper bounds of the latency buckets in microseconds: 1,
// 2, 5 and so on up to the time that a query waits.
var latencySteps = func() (steps []uint32) {
	for n := uint32(1); int64(n)*1000 <= responseTimeout; n *= 10 {
		for _, k := range []uint32{1, 2, 5} {
			if int64(n*k)*1000 <= responseTimeout {
				steps = append(steps, n*k)
			}
		}
	}
	return steps
}()

// latencyWords are the keys of the buckets, and of what has no latency.
var latencyWords = func() (words []string) {
	for _, n := range latencySteps {
		words = append(words, strconv.Itoa(int(n)))
	}
	return append(words, "timeout", "no query")
}()

// latencyBucket is the place in latencyWords of what e is to its transaction.
func (e *Event) latencyBucket() (uint32, bool) {
	switch e.Match {
	case Answered:
		us := uint32(min((e.LatencyNS+999)/1000, responseTimeout/1000))
		i, _ := slices.BinarySearch(latencySteps, us)
		return uint32(i), true
	case TimedOut:
		return uint32(len(latencySteps)), true
	case Unasked:
		return uint32(len(latencySteps) + 1), true
	}
	return 0, false
}

// transactionFields are those of a query with its response.
var transactionFields = []Field{
	{Name: "latency", Doc: "time from the first of equal queries to the response", Kind: Number, Unit: "microseconds", Of: Complete, number: func(e *Event) (uint32, bool) {
		return uint32(e.LatencyNS / 1000), e.Match == Answered
	}},
	{
		Name: "latency_bucket", Doc: "the same as the upper bound of its bucket, in steps of 1, 2, 5; timeout; no query", Kind: Choice,
		Unit: "microseconds", Of: Transactions | Stray, small: true, words: latencyWords, number: (*Event).latencyBucket,
	},
	{Name: "retransmissions", Doc: "how often the query was sent again", Kind: Number, Of: Transactions, number: func(e *Event) (uint32, bool) {
		return uint32(e.Retransmissions), e.Match == Answered || e.Match == TimedOut
	}},
}

// timeFields are those of the time of capture.
var timeFields = []Field{
	{Name: "hour", Doc: "hour of the day (UTC) of the capture", Kind: Number, Unit: "hours", small: true, number: func(e *Event) (uint32, bool) {
		return uint32(e.Time / 3600e9 % 24), e.Has&speedy.FieldTime != 0 && e.Time >= 0
	}},
}

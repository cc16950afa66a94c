package reduce

import (
	"math/bits"

	"ratadns/packet"
	"ratadns/speedy"
)

// batchLen is how many messages reducers are given at once. Each then has its
// code and its tables at hand, of which all together are more than fits near the
// processor.
const batchLen = 64

// A Batch is messages that belong to the same windows, as they came.
type Batch struct {
	*common
	events   [batchLen]Event
	decoders [batchLen]*speedy.Decoder
	list     []*Event
	single   Event
	decoder  func() *speedy.Decoder
}

// NewBatch returns an empty batch, whose addresses go through anon and whose
// messages are read by decoders that decoder makes.
func NewBatch(anon *speedy.Anonymizer, decoder func() *speedy.Decoder) *Batch {
	return newBatch(newCommon(anon), decoder)
}

func newBatch(c *common, decoder func() *speedy.Decoder) *Batch {
	b := &Batch{common: c, decoder: decoder}
	for i := range b.events {
		b.events[i].common, b.events[i].at = c, uint32(i)
		b.decoders[i] = decoder()
	}
	b.single.common = c
	return b
}

// Fork returns another batch of the same worker, with what the events of all
// batches share. One at a time is given to reducers.
func (b *Batch) Fork() *Batch { return newBatch(b.common, b.decoder) }

// Single is an event of the worker for what is given to reducers alone.
func (b *Batch) Single() *Event { return &b.single }

// Take decodes a message, whose octets stay as they are until the batch is
// cleared, and returns its event. There has to be room.
func (b *Batch) Take(s *packet.Segment) *Event {
	n := len(b.list)
	e := &b.events[n]
	e.Set(b.decoders[n].Decode(s))
	b.list = append(b.list, e)
	return e
}

// Len is how many there are.
func (b *Batch) Len() int { return len(b.list) }

// Full reports whether there is no room.
func (b *Batch) Full() bool { return len(b.list) == batchLen }

// Clear empties it.
func (b *Batch) Clear() { b.list = b.list[:0] }

// A set is some events of a batch, a bit for each place.
type set uint64

// setOf is the set of the event at that place.
func setOf(at uint32) set { return 1 << (at % batchLen) }

// take takes the first one out of a set that is not empty.
func (s *set) take() uint32 {
	at := bits.TrailingZeros64(uint64(*s)) % batchLen
	*s &= *s - 1
	return uint32(at)
}

func (s set) len() int { return bits.OnesCount64(uint64(s)) }

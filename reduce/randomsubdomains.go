package reduce

import (
	"cmp"
	"math"
	"slices"

	"ratadns/report"
)

// randomSubdomains tells the zones that are asked for many names which are
// hardly asked for twice, as in the attack that is called water torture.
//
// It keeps a sample of the pairs of a registered domain and a first label: those
// whose hashes are the lowest, up to max_keys of them (a bottom-k sample: Cohen
// and Kaplan, 2007; for this attack, distinct sampling as in Afek, Bremler-Barr
// and others, 2016). The hash alone decides, so that the sample does not depend
// on the order of the messages nor on how many share the work, and samples merge
// to that of all messages. Whoever belongs to the sample at the end belonged to
// it from its first message on, so its count is exact. Up to max_keys pairs
// everything is; beyond, numbers are those of the sample divided by its share,
// and the error of the largest is told.
type randomSubdomains struct {
	params  Params
	max     int
	limit   uint64 // hashes at and above it are not of the sample; 0 is none
	names   *interner
	qname   dim
	zone    dim
	places  index      // of pairs
	pairs   []tableRow // with the number of their queries
	known   []int32    // places plus one, or none, by the number of the QNAME
	sweeps  int        // of the names, up to which known is right
	keyless uint64
	// For reports, zones and their places plus one, by the interner's number.
	zones []randomZone
	told  []int32
	data  []byte
	state []byte
}

// What a zone has to have to be told: so many distinct labels, and not more
// queries for each: one for A, one for AAAA, and one sent again.
const (
	minRandom  = 100
	maxRepeats = 3
)

func newRandomSubdomains(w *Window, u *groupUse) Reducer {
	g := w.group
	r := &randomSubdomains{
		params: u.Params, max: max(u.maxKeys(), 1), names: w.names, qname: g.dim("qname"), zone: g.dim("registered_domain"), places: newIndex(),
	}
	if r.params.Top == 0 {
		r.params.Top = DefaultTop
	}
	return r
}

// pairHash is the hash of a name's first label and its zone: FNV-1a with the
// finisher of MurmurHash3, since the lowest are taken. It has no secret, so that
// monitors and replays agree; who evades it by choosing labels has few to choose
// from.
func pairHash[T string | []byte](label, zone T) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(label) {
		h = (h ^ uint64(label[i])) * 1099511628211
	}
	h = (h ^ '.') * 1099511628211
	for i := range len(zone) {
		h = (h ^ uint64(zone[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// pairKey is the key of a first label below a zone, by their hash and the zone's
// number.
func pairKey(hash uint64, zone uint32) key { return key{uint32(hash), uint32(hash >> 32), zone} }

// hash is that of a pair.
func (k *key) hash() uint64 { return uint64(k[0]) | uint64(k[1])<<32 }

func (r *randomSubdomains) Add(e *Event) {
	if e.Question() == nil {
		r.keyless++
		return
	}
	name, _ := e.value(r.qname)
	if r.sweeps != r.names.sweeps {
		r.known, r.sweeps = r.known[:0], r.names.sweeps
	}
	for int(name) >= len(r.known) {
		r.known = append(r.known, 0)
	}
	switch known := r.known[name]; {
	case known > 0:
		r.pairs[known-1].n++
	case known == 0:
		if place := r.find(e); int(name) < len(r.known) { // not pruned
			r.known[name] = place
		}
	}
}

// find counts the pair of a name that is not known, and returns one more than its
// place, or none.
func (r *randomSubdomains) find(e *Event) int32 {
	n := e.zoneLabels()
	if n >= e.labels().n {
		return none // nothing below the zone
	}
	h := pairHash(e.label(0), e.suffix(n))
	if r.limit > 0 && h >= r.limit {
		return none // nor will it be, since the limit only falls
	}
	zone, _ := e.value(r.zone)
	k := pairKey(h, zone)
	if i, ok := r.places.get(&k, r.pairs); ok {
		r.pairs[i].n++
		return i + 1
	}
	r.add(tableRow{k, 1})
	if len(r.pairs) >= 2*r.max {
		r.prune()
		return 0
	}
	return int32(len(r.pairs))
}

func (r *randomSubdomains) add(p tableRow) {
	r.places.add(&p.key, int32(len(r.pairs)), r.pairs)
	r.pairs = append(r.pairs, p)
	r.names.refs[p.key[2]]++
}

// prune leaves the max pairs of the lowest hashes. It is done when there are
// twice as many, so that it costs little for each.
func (r *randomSubdomains) prune() {
	if len(r.pairs) <= r.max {
		return
	}
	slices.SortFunc(r.pairs, func(a, b tableRow) int { return cmp.Compare(a.key.hash(), b.key.hash()) })
	r.limit = r.pairs[r.max].key.hash()
	r.cut()
}

// cut takes out the pairs that are not of the sample.
func (r *randomSubdomains) cut() {
	r.known = r.known[:0]
	r.pairs = slices.DeleteFunc(r.pairs, func(p tableRow) bool {
		if p.key.hash() < r.limit {
			return false
		}
		r.names.refs[p.key[2]]--
		return true
	})
	r.places.rebuild(r.pairs)
}

func (r *randomSubdomains) Merge(other Reducer) {
	o := other.(*randomSubdomains)
	r.keyless += o.keyless
	if o.limit > 0 && (r.limit == 0 || o.limit < r.limit) {
		r.limit = o.limit
	}
	for _, p := range o.pairs {
		p.key[2] = r.names.idOf(o.names, p.key[2])
		if i, ok := r.places.get(&p.key, r.pairs); ok {
			r.pairs[i].n += p.n
			continue
		}
		r.add(p)
	}
	if r.limit > 0 {
		r.cut()
	}
	r.prune()
}

// A zone as it is told.
type randomZone struct {
	zone              string
	distinct, queries float64
	sampled           float64 // of distinct
}

// found are the zones that are told, those of most distinct labels first, and
// the share of all pairs that the sample is.
func (r *randomSubdomains) found() (list []randomZone, share float64) {
	r.prune()
	share = 1
	if r.limit > 0 {
		share = float64(r.limit) / math.MaxUint64
	}
	r.told = slices.Grow(r.told[:0], len(r.names.texts))[:len(r.names.texts)]
	clear(r.told)
	r.zones = r.zones[:0]
	for _, p := range r.pairs {
		zone := p.key[2]
		if r.told[zone] == 0 {
			r.zones = append(r.zones, randomZone{zone: r.names.texts[zone]})
			r.told[zone] = int32(len(r.zones))
		}
		z := &r.zones[r.told[zone]-1]
		z.sampled++
		z.queries += float64(p.n)
	}
	for i := range r.zones {
		z := &r.zones[i]
		z.distinct, z.queries = math.Round(z.sampled/share), math.Round(z.queries/share)
	}
	list = slices.DeleteFunc(r.zones, func(z randomZone) bool {
		return z.distinct < minRandom || z.queries > maxRepeats*z.distinct
	})
	slices.SortFunc(list, func(a, b randomZone) int {
		return cmp.Or(cmp.Compare(b.distinct, a.distinct), cmp.Compare(a.zone, b.zone))
	})
	return list, share
}

func (r *randomSubdomains) Report(out *report.Report) {
	out.Window.Keyless += r.keyless
	list, share := r.found()
	for _, z := range list {
		if share < 1 { // three standard deviations of what a sample tells
			out.Window.Error = max(out.Window.Error, uint64(math.Ceil(3*math.Sqrt(z.sampled*(1-share))/share)))
		}
	}
	n := min(r.params.Top, len(list))
	for r.params.Ties && n > 0 && n < len(list) && list[n].distinct == list[n-1].distinct {
		n++
	}
	r.data = appendZones(r.data[:0], list[:n], list[n:])
	out.Data, out.Shape = r.data, report.TableOf
	if n < len(list) || share < 1 {
		// Each zone has two keys, and what is left out has two.
		kept := min(len(list), (report.MaxState-2)/3)
		r.state = appendZones(r.state[:0], list[:kept], list[kept:])
		out.State = r.state
	}
}

// appendZones appends zones as a table, keys ascending.
func appendZones(dst []byte, list, left []randomZone) []byte {
	if len(list) > maxData/(2*255*8) { // names of 255 octets, escaped
		list, left = list[:maxData/(2*255*8)], append(slices.Clone(list[maxData/(2*255*8):]), left...)
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b randomZone) int { return cmp.Compare(a.zone, b.zone) })
	dst = append(dst, '{')
	if len(left) > 0 {
		sum := 0.0
		for _, z := range left {
			sum += z.distinct + z.queries
		}
		dst = report.AppendCount(append(dst, `"`+report.SkippedKey+`":`...), uint64(len(left)))
		dst = report.AppendCount(append(dst, `,"`+report.SkippedSumKey+`":`...), uint64(sum))
	}
	for i, z := range list {
		if i > 0 || len(left) > 0 {
			dst = append(dst, ',')
		}
		dst = append(report.AppendString(dst, z.zone), `:{"distinct":`...)
		dst = append(report.AppendCount(dst, uint64(z.distinct)), `,"queries":`...)
		dst = append(report.AppendCount(dst, uint64(z.queries)), '}')
	}
	return append(dst, '}')
}

func (r *randomSubdomains) Reset() {
	if len(r.pairs) > r.max { // a flood's memory is not kept
		r.places, r.pairs, r.told, r.known, r.zones = newIndex(), nil, nil, nil, nil
	}
	r.places.clear()
	r.pairs, r.known = r.pairs[:0], r.known[:0]
	r.limit, r.keyless = 0, 0
}

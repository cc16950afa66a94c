package jerry

import (
	"iter"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// params reads a URL's parameters; the first mistake stays in err.
type params struct {
	values url.Values
	err    error
}

// readParams refuses parameters that are not among known.
func readParams(u *url.URL, known ...string) *params {
	values, err := url.ParseQuery(u.RawQuery)
	p := &params{values: values}
	if err != nil {
		p.fail("query: %v", err)
	}
	for name := range values {
		if len(known) == 0 {
			p.fail("%s: no such parameter; there are none here", name)
		} else if !slices.Contains(known, name) {
			p.fail("%s: no such parameter; there are %s", name, strings.Join(known, ", "))
		}
	}
	return p
}

func (p *params) fail(format string, args ...any) {
	if p.err == nil {
		p.err = badRequest(format, args...)
	}
}

// one is the value of a parameter that may be there once.
func (p *params) one(name string) string {
	v := p.values[name]
	if len(v) > 1 {
		p.fail("%s: must be given once, got %d", name, len(v))
	}
	if len(v) == 0 {
		return ""
	}
	if v[0] == "" {
		p.fail("%s: is empty", name)
	}
	return v[0]
}

// list is the values of a parameter that repeats, or has commas, or both.
func (p *params) list(name string) (list []string) {
	for _, v := range p.values[name] {
		for item := range strings.SplitSeq(v, ",") {
			if item == "" {
				p.fail("%s: has an empty item, got %q", name, v)
			} else if !slices.Contains(list, item) {
				list = append(list, item)
			}
		}
	}
	return list
}

func (p *params) byServer() bool {
	v := p.one("by")
	if v != "" && v != "server" {
		p.fail("by: must be server, got %q", v)
	}
	return v == "server"
}

func (p *params) step() int64 {
	v := p.one("step")
	if v == "" {
		return 0
	}
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 {
		p.fail("step: must be a positive duration such as 10s, got %q", v)
	}
	return int64(d)
}

func (p *params) top() int {
	v := p.one("top")
	if v == "" {
		return 0
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > maxTop {
		p.fail("top: must be 1 to %d, got %q", maxTop, v)
	}
	return n
}

func (p *params) speed() float64 {
	v := p.one("speed")
	if v == "" {
		return 1
	}
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || !(n >= minSpeed && n <= maxSpeed) {
		p.fail("speed: must be %g to %g, got %q", minSpeed, maxSpeed, v)
	}
	return n
}

// moment reads a time: RFC 3339, seconds since 1970, or relative like -15m.
func (p *params) moment(name string) moment {
	v := p.one(name)
	if v == "" {
		return moment{}
	}
	if t, err := time.Parse(time.RFC3339Nano, v); err == nil && t.Year() >= 1970 && t.Year() < 2262 {
		return moment{set: true, ns: t.UnixNano()}
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil && s >= 0 && s < math.MaxInt64/1e9 {
		return moment{set: true, ns: epoch(v, s)}
	}
	if d, err := time.ParseDuration(v); err == nil && d <= 0 {
		return moment{set: true, relative: true, ns: int64(d)}
	}
	p.fail("%s: must be RFC 3339, seconds since 1970, or relative such as -15m, got %q", name, v)
	return moment{}
}

// epoch reads decimal seconds exactly, where a float64 would lose some
// nanoseconds.
func epoch(v string, s float64) int64 {
	whole, decimals, _ := strings.Cut(v, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || len(decimals) > 9 {
		return int64(s * 1e9)
	}
	ns, err := strconv.ParseUint("0"+decimals+strings.Repeat("0", 9-len(decimals)), 10, 64)
	if err != nil {
		return int64(s * 1e9)
	}
	return seconds*1e9 + int64(ns)
}

func timeText(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

// listed names what there is, or the first of it, for an error.
func listed(names iter.Seq[string]) string {
	const enough = 50
	all := slices.Sorted(names)
	switch {
	case len(all) == 0:
		return "none yet"
	case len(all) > enough:
		return strings.Join(all[:enough], ", ") + " and " + strconv.Itoa(len(all)-enough) + " more"
	}
	return strings.Join(all, ", ")
}

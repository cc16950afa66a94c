// Package report is what Fievel writes and Jerry reads: a reducer's value over
// one window at one server, in a form that merges.
//
// Everything that is counted has one operation, Merge: workers of a monitor,
// windows of a server, servers of an operator and minutes of an hour all add
// up by it. The shape of a report tells how, so that values of reducers that
// nobody here has heard of merge too. Start at [Report] and [Value].
package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxReport bounds one report on the wire.
const MaxReport = 8 << 20

// MaxState bounds the keys that a report's state carries beside cut data.
const MaxState = 2048

// A Report is one reducer's value over one window.
type Report struct {
	Type     string
	ServerID string
	Data     json.RawMessage
	Window   Window
	Shape    Shape
	// State is there when Data were cut or are a sketch, and carries what
	// merging needs in their stead.
	State json.RawMessage
}

// Nothing reports whether r has no value, as where a script failed. Its shape then
// says little: a script that names none did not come to tell.
func (r *Report) Nothing() bool { return string(r.Data) == "null" && r.State == nil }

// A Window is the half-open interval [Start, End) of capture time that a
// report is about, and what was lost in it. Times are nanoseconds since 1970.
type Window struct {
	Start, End int64
	Seq        int64
	Messages   uint64 // all DNS messages, malformed ones included
	Malformed  uint64
	Lost       uint64 // packets and messages known to be missing
	Partial    bool   // the first or last of a run
	Gap        int64  // nanoseconds skipped before this window
	Error      uint64 // bounds the error of any count that a sketch made
	Skipped    uint64 // items that bounded lists left out
	Keyless    uint64 // messages without the key that the reducer counts by
}

// Seconds is the window's length.
func (w *Window) Seconds() float64 { return float64(w.End-w.Start) / 1e9 }

// Append appends the report as one line of JSON without the line end, members
// in the documented order.
func (r *Report) Append(dst []byte) []byte {
	parts, _ := r.AppendParts(nil, nil)
	return append(dst, slices.Concat(parts...)...)
}

// AppendParts appends the parts of the same line, with the data and the state as
// they are. The other parts are in buf, which it returns.
func (r *Report) AppendParts(parts [][]byte, buf []byte) ([][]byte, []byte) {
	buf = r.appendHead(buf)
	head := len(buf)
	buf = r.appendTail(buf)
	return append(parts, buf[:head], r.Data, buf[head:], r.State, closing), buf
}

// AppendSeedParts is AppendParts of the form of 2015.
func (r *Report) AppendSeedParts(parts [][]byte, buf []byte) ([][]byte, []byte) {
	buf = r.appendHead(buf)
	return append(parts, buf, r.Data, closing), buf
}

// closing is the end of every report.
var closing = []byte{'}'}

// appendTail appends what stands between data and state.
func (r *Report) appendTail(dst []byte) []byte {
	w := &r.Window
	dst = append(dst, `,"window":{"start":"`...)
	dst = AppendTime(dst, w.Start)
	dst = append(dst, `","end":"`...)
	dst = AppendTime(dst, w.End)
	dst = append(dst, `","seq":`...)
	dst = strconv.AppendInt(dst, w.Seq, 10)
	dst = append(dst, `,"messages":`...)
	dst = strconv.AppendUint(dst, w.Messages, 10)
	dst = append(dst, `,"malformed":`...)
	dst = strconv.AppendUint(dst, w.Malformed, 10)
	dst = append(dst, `,"lost":`...)
	dst = strconv.AppendUint(dst, w.Lost, 10)
	if w.Partial {
		dst = append(dst, `,"partial":true`...)
	}
	if w.Gap > 0 {
		dst = append(dst, `,"gap":`...)
		dst = AppendNumber(dst, float64(w.Gap)/1e9)
	}
	for _, m := range []struct {
		name string
		n    uint64
	}{{"error", w.Error}, {"skipped", w.Skipped}, {"keyless", w.Keyless}} {
		if m.n > 0 {
			dst = append(append(append(dst, `,"`...), m.name...), `":`...)
			dst = strconv.AppendUint(dst, m.n, 10)
		}
	}
	dst = append(dst, `},"shape":"`...)
	dst = append(append(dst, r.Shape...), '"')
	if r.State != nil {
		dst = append(dst, `,"state":`...)
	}
	return dst
}

// appendHead appends what stands before the data.
func (r *Report) appendHead(dst []byte) []byte {
	dst = append(dst, `{"type":`...)
	dst = AppendString(dst, r.Type)
	dst = append(dst, `,"serverId":`...)
	dst = AppendString(dst, r.ServerID)
	return append(dst, `,"data":`...)
}

// AppendTime appends t, nanoseconds since 1970, as RFC 3339 in UTC with as many
// decimals as it needs.
func AppendTime(dst []byte, t int64) []byte {
	return time.Unix(0, t).UTC().AppendFormat(dst, time.RFC3339Nano)
}

// AppendNumber appends the shortest decimal that reads back as v; JSON has no
// infinities, so they are null.
func AppendNumber(dst []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(dst, "null"...)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}

// AppendString appends s as a JSON string. Only what JSON demands is escaped.
func AppendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for {
		n := 0
		for n < len(s) && plain[s[n]] {
			n++
		}
		dst = append(dst, s[:n]...)
		if s = s[n:]; s == "" {
			return append(dst, '"')
		}
		size := 1
		switch c := s[0]; {
		case c >= utf8.RuneSelf:
			var r rune
			if r, size = utf8.DecodeRuneInString(s); r == utf8.RuneError && size == 1 {
				dst = append(dst, `\ufffd`...)
			} else {
				dst = append(dst, s[:size]...)
			}
		case c < 0x20:
			dst = append(dst, `\u00`...)
			dst = append(dst, hex[c>>4], hex[c&15])
		default:
			dst = append(dst, '\\', c)
		}
		s = s[size:]
	}
}

// plain are the octets that stand for themselves in a JSON string.
var plain = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// Errors of Parse. Reports come over a network and are not trusted.
var (
	ErrTooBig = errors.New("report is over 8 MiB")
	ErrWindow = errors.New("window is absurd")
	ErrShape  = errors.New("shape is unknown")
)

// maxName bounds type and serverId; a host name has at most 255 characters.
const maxName = 255

// maxWindow is the longest window believed.
const maxWindow = 366 * 24 * 3600 * 1e9

// maxTime is the latest time believed (the year 2242).
const maxTime = 1 << 33 * 1e9

// Parse reads one report. It refuses what is not one: too big, not JSON,
// without a name, of an unknown shape, with an absurd window, or with data that
// do not have their shape. The result aliases nothing of line.
func Parse(line []byte) (*Report, error) {
	if len(line) > MaxReport {
		return nil, ErrTooBig
	}
	if !utf8.Valid(line) { // RFC 8259 §8.1; data are passed on as they came
		return nil, errors.New("not a report: not UTF-8")
	}
	var in struct {
		Type     string          `json:"type"`
		ServerID string          `json:"serverId"`
		Data     json.RawMessage `json:"data"`
		Window   *struct {
			Start     time.Time `json:"start"`
			End       time.Time `json:"end"`
			Seq       int64     `json:"seq"`
			Messages  uint64    `json:"messages"`
			Malformed uint64    `json:"malformed"`
			Lost      uint64    `json:"lost"`
			Partial   bool      `json:"partial"`
			Gap       float64   `json:"gap"`
			Error     uint64    `json:"error"`
			Skipped   uint64    `json:"skipped"`
			Keyless   uint64    `json:"keyless"`
		} `json:"window"`
		Shape Shape           `json:"shape"`
		State json.RawMessage `json:"state"`
	}
	if err := json.Unmarshal(line, &in); err != nil {
		return nil, fmt.Errorf("not a report: %w", err)
	}
	for _, m := range []struct{ name, value string }{{"type", in.Type}, {"serverId", in.ServerID}} {
		if m.value == "" || len(m.value) > maxName {
			return nil, fmt.Errorf("not a report: %s has %d octets, want 1 to %d", m.name, len(m.value), maxName)
		}
		if strings.ContainsFunc(m.value, unicode.IsControl) {
			return nil, fmt.Errorf("not a report: %s %q has control characters", m.name, m.value)
		}
	}
	if in.Data == nil {
		return nil, errors.New("not a report: data is missing")
	}
	if in.Window == nil {
		return nil, fmt.Errorf("%w: missing", ErrWindow)
	}
	if !in.Shape.known() {
		return nil, fmt.Errorf("%w: %.32q", ErrShape, in.Shape)
	}
	w := in.Window
	for _, t := range []time.Time{w.Start, w.End} {
		if s := t.Unix(); s < 0 || s > maxTime/1e9 {
			return nil, fmt.Errorf("%w: %s", ErrWindow, t.UTC().Format(time.RFC3339))
		}
	}
	r := &Report{
		Type: in.Type, ServerID: in.ServerID, Data: in.Data, Shape: in.Shape, State: in.State,
		Window: Window{
			Start: w.Start.UnixNano(), End: w.End.UnixNano(), Seq: w.Seq,
			Messages: w.Messages, Malformed: w.Malformed, Lost: w.Lost, Partial: w.Partial,
			Error: w.Error, Skipped: w.Skipped, Keyless: w.Keyless,
		},
	}
	if d := r.Window.End - r.Window.Start; d < 0 || d > maxWindow {
		return nil, fmt.Errorf("%w: from %s to %s", ErrWindow, w.Start.Format(time.RFC3339), w.End.Format(time.RFC3339))
	}
	for _, n := range []uint64{w.Messages, w.Malformed, w.Lost, w.Error, w.Skipped, w.Keyless} {
		if n > maxNumber {
			return nil, fmt.Errorf("%w: a counter of %d", ErrWindow, n)
		}
	}
	if w.Seq < 0 || w.Gap < 0 || w.Gap > maxTime/1e9 || w.Malformed > w.Messages {
		return nil, fmt.Errorf("%w: seq %d, gap %g, %d of %d messages malformed", ErrWindow, w.Seq, w.Gap, w.Malformed, w.Messages)
	}
	r.Window.Gap = int64(math.Round(w.Gap * 1e9))
	if bytes.Equal(r.State, []byte("null")) {
		r.State = nil
	}
	return r, nil
}

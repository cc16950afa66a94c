package main

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"time"

	"ratadns/reduce"
	"ratadns/report"
)

// An answer is that of one window.
type answer struct {
	reduce.Rows
	header  report.Window
	packets uint64 // received, where it is known
	data    []byte // in place of Rows: the report of a reducer that has no rows
}

func answerOf(q *question, w *reduce.Window, header report.Window) *answer {
	a := &answer{header: header}
	if w.HasRows(0) {
		a.Rows = w.Rows(0, q.top)
		return a
	}
	r := report.Report{Window: header}
	w.Report(0, &r)
	a.header, a.data = r.Window, r.Data
	return a
}

// value is what is measured of a row as it is written; there is none where a
// rate is over no time.
func (a *answer) value(n uint64) string {
	if a.Measure != reduce.Rate {
		return strconv.FormatUint(n, 10)
	}
	seconds := a.header.Seconds()
	if seconds == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(n)/seconds, 'f', -1, 64)
}

// values are what is measured of a row, one for each column.
func (a *answer) values(r *reduce.Row) []string {
	if a.Measure != reduce.Quantiles {
		return []string{a.value(r.N)}
	}
	var list []string
	for _, q := range r.Quantiles {
		list = append(list, strconv.FormatUint(q, 10))
	}
	return list
}

// columns are their names.
func (a *answer) columns(measure string) []string {
	if a.Measure != reduce.Quantiles {
		return []string{measure}
	}
	var list []string
	for _, l := range report.Levels {
		list = append(list, l.Name)
	}
	return list
}

// adds reports whether the rows add up to a whole.
func (a *answer) adds() bool {
	return a.Measure == reduce.Count || a.Measure == reduce.Rate || a.Measure == reduce.Sum
}

// A reportWriter writes answers, one or one after the other.
type reportWriter struct {
	question *question
	format   string
	out      *bufio.Writer
	csv      *csv.Writer
	screen   screen
	every    bool // there may be several
	live     bool // the next one replaces the last on a terminal
	log      *slog.Logger
	written  int
}

func newReportWriter(out io.Writer, file *os.File, format string, q *question, log *slog.Logger) *reportWriter {
	w := &reportWriter{question: q, format: format, out: bufio.NewWriter(out), log: log}
	if format == "csv" {
		w.csv = csv.NewWriter(w.out)
	}
	if format == "table" {
		w.screen.look(file)
	}
	return w
}

// write writes an answer, so that it is seen at once.
func (w *reportWriter) write(a *answer) error {
	var err error
	switch {
	case a.data != nil && w.every && w.format == "json":
		_, err = w.out.Write(append(append(append(a.appendWindow(nil), `"data":`...), a.data...), "}\n"...))
	case a.data != nil:
		w.out.Write(a.data)
		err = w.out.WriteByte('\n')
	case w.format == "csv":
		err = w.writeCSV(a)
	case w.format == "json":
		err = w.writeJSON(a)
	default:
		err = w.writeTable(a)
	}
	w.written++
	if a.data != nil || w.format != "table" {
		a.logNotes(w.log)
	}
	return first(err, w.out.Flush())
}

// close ends what write has begun.
func (w *reportWriter) close() error {
	w.screen.leave(w.out)
	return w.out.Flush()
}

// header are the names of the columns.
func (w *reportWriter) header(a *answer) (names []string) {
	if w.every {
		names = append(names, "start")
	}
	return append(append(names, a.By...), a.columns(w.question.column)...)
}

func (w *reportWriter) writeCSV(a *answer) error {
	if w.written == 0 {
		if err := w.csv.Write(w.header(a)); err != nil {
			return err
		}
	}
	start := string(report.AppendTime(nil, a.header.Start))
	var record []string
	for i := range a.Rows.Rows {
		r := &a.Rows.Rows[i]
		record = record[:0]
		if w.every {
			record = append(record, start)
		}
		record = append(append(record, r.Keys...), a.values(r)...)
		if err := w.csv.Write(record); err != nil {
			return err
		}
	}
	w.csv.Flush()
	return w.csv.Error()
}

// appendWindow begins an object with the window of an answer.
func (a *answer) appendWindow(b []byte) []byte {
	b = append(report.AppendTime(append(b, `{"start":"`...), a.header.Start), `","end":"`...)
	b = append(report.AppendTime(b, a.header.End), `","messages":`...)
	return append(report.AppendCount(b, a.header.Messages), ',')
}

// writeJSON writes an array with an object on each line; of several answers each
// is one line with its window.
func (w *reportWriter) writeJSON(a *answer) error {
	separator, end := ",\n", "\n]\n"
	var b []byte
	if w.every {
		b = append(a.appendWindow(b), `"rows":[`...)
		separator, end = ",", "]}\n"
	} else {
		b = append(b, "[\n"...)
	}
	fields := make([]*reduce.Field, len(a.By))
	for i, name := range a.By {
		fields[i] = reduce.FindField(name)
	}
	for i := range a.Rows.Rows {
		r := &a.Rows.Rows[i]
		if i > 0 {
			b = append(b, separator...)
		}
		b = append(b, '{')
		for j, key := range r.Keys {
			b = append(report.AppendString(b, a.By[j]), ':')
			if _, err := strconv.ParseUint(key, 10, 64); err == nil && fields[j].Kind == reduce.Number {
				b = append(b, key...)
			} else {
				b = report.AppendString(b, key)
			}
			b = append(b, ',')
		}
		values := a.values(r)
		for j, name := range a.columns(w.question.column) {
			if j > 0 {
				b = append(b, ',')
			}
			b = append(append(report.AppendString(b, name), ':'), cmp.Or(values[j], "null")...)
		}
		b = append(b, '}')
		if len(b) > 64<<10 {
			if _, err := w.out.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	if len(a.Rows.Rows) == 0 && !w.every {
		b, end = append(b[:0], '['), "]\n"
	}
	_, err := w.out.Write(append(b, end...))
	return err
}

// notes are what has to be told of an answer beside its rows.
func (a *answer) notes() (list []string) {
	note := func(n uint64, format string, args ...any) {
		if n > 0 {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	if a.adds() {
		note(a.Keys, "%d more keys with %s together", a.Keys, orDash(a.value(a.Left)))
	} else {
		note(a.Keys, "%d more keys", a.Keys)
	}
	if a.Sketch {
		list = append(list, fmt.Sprintf("too many keys to count exactly: each count is too high by at most %s; more with --max-keys", orDash(a.value(a.Error))))
	}
	note(a.Unplaced, "%d values left out, of keys beyond --max-keys", a.Unplaced)
	note(a.Keyless, "%d without such a key", a.Keyless)
	note(a.Untracked, "%d queries not matched, too many waited for a response", a.Untracked)
	note(a.header.Lost, "%d packets or messages lost", a.header.Lost)
	return list
}

// logNotes tells the same to programs, whose data have no room for it.
func (a *answer) logNotes(log *slog.Logger) {
	if a.Keys > 0 && a.adds() {
		log.Info("not shown", "keys", a.Keys, "sum", orDash(a.value(a.Left)))
	} else if a.Keys > 0 {
		log.Info("not shown", "keys", a.Keys)
	}
	if a.Sketch {
		log.Warn("too many keys to count exactly", "error", orDash(a.value(a.Error)), "hint", "--max-keys")
	}
	if n := a.Unplaced + a.header.Skipped; n > 0 {
		log.Warn("left out for want of room", "count", n)
	}
	if a.Keyless > 0 {
		log.Info("without such a key", "count", a.Keyless)
	}
	if a.Untracked > 0 {
		log.Warn("queries not matched, too many waited for a response", "count", a.Untracked)
	}
	if a.header.Lost > 0 {
		log.Warn("packets or messages lost", "count", a.header.Lost)
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// span says what an answer is about.
func (a *answer) span() string {
	s := fmt.Sprintf("%d messages", a.header.Messages)
	if a.packets > 0 {
		s += fmt.Sprintf(" of %d packets", a.packets)
	}
	if a.header.Malformed > 0 {
		s += fmt.Sprintf(", %d malformed", a.header.Malformed)
	}
	if a.header.Messages == 0 && a.header.End == 0 {
		return s
	}
	start, end := time.Unix(0, a.header.Start).UTC(), time.Unix(0, a.header.End).UTC()
	layout := time.DateTime
	if start.Format(time.DateOnly) == end.Format(time.DateOnly) {
		layout = time.TimeOnly
	}
	return fmt.Sprintf("%s, %s to %s UTC", s, start.Format(time.DateTime), end.Format(layout))
}

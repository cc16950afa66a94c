package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"ratadns/bus"
	"ratadns/fievel"
	"ratadns/reduce"
	"ratadns/report"
	"ratadns/speedy"
)

type reportCmd struct {
	sourceFlags
	By      []string      `help:"Dimensions to count by, up to three; none is one number." placeholder:"DIM"`
	Where   *string       `help:"Count only what this expression is true of." placeholder:"EXPR"`
	Of      string        `help:"What is counted: messages, queries, responses or transactions (default: messages)." placeholder:"WHAT"`
	Measure string        `help:"What is told of each key: count, rate, sum:NUMBER, min:NUMBER, max:NUMBER, distinct:FIELD or quantiles:NUMBER (default: count)." placeholder:"MEASURE"`
	Use     string        `help:"A reducer of the catalogue in place of --by, --of and --measure; see: ratadns reducers." placeholder:"NAME"`
	Top     *int          `help:"Rows in all, the most first (default: all)." placeholder:"N"`
	Format  string        `default:"table" enum:"table,csv,json" help:"How the answer is written: ${enum}."`
	Every   time.Duration `help:"An answer for each such length of capture time." placeholder:"LENGTH"`
	MaxKeys int           `default:"1000000" help:"Keys that are counted exactly (default: ${default})." placeholder:"N"`
	serverFlag
	workersFlag
	GeoCountry   string `help:"File in MaxMind's format, for the field country." placeholder:"FILE"`
	GeoASN       string `name:"geo-asn" help:"The same for the field asn." placeholder:"FILE"`
	Anonymize    string `default:"none" enum:"none,hash,prefix,truncate" help:"How addresses are written: ${enum}." placeholder:"METHOD"`
	AnonymizeKey string `help:"Key file of --anonymize. Default: random for this run." placeholder:"FILE"`
}

func (reportCmd) Help() string {
	return `The whole capture is one window; with --every there is one after the other, and
on an interface a table that refreshes.

Examples:
    ratadns report -r day.pcap.zst --by qtype
    ratadns report -r day.pcap.zst --of responses --where 'rcode == "NXDOMAIN"' --by tld,qtype --top 20
    ratadns report -r day.pcap.zst --of transactions --by server --measure quantiles:latency
    ratadns report -r day.pcap.zst --of responses --by qname --measure sum:size --top 10 --format csv
    ratadns report -r day.pcap.zst --use TopNQ --format json
    ratadns report -i eth0 --every 10s --of queries --by qname --top 20`
}

// reportServer is the one server of all windows, which no answer names.
const reportServer = "report"

// A question is what is asked, checked.
type question struct {
	entry  *reduce.Entry
	params reduce.Params
	top    int    // rows
	column string // of what is measured
}

func (c *reportCmd) Run(e *env) error {
	workers, err := c.count()
	if err != nil {
		return err
	}
	q, err := c.question()
	if err != nil {
		return err
	}
	facts, err := c.facts(q)
	if err != nil {
		return err
	}
	fc := fievel.DefaultConfig()
	fc.Facts = facts
	if c.Every != 0 {
		fc.Window.Duration = c.Every
		if len(c.Dnstap) > 0 {
			fc.Window.Lateness = tapLateness
		}
		if err := fc.Window.Validate(); err != nil {
			return usagef("--every: %w", err)
		}
	}
	if c.Format == "table" { // which tells the counters itself
		e.log = slog.New(warnings{e.log.Handler()})
	}
	anon, err := newAnonymizer(speedy.Method(c.Anonymize), c.AnonymizeKey, e.log)
	if err != nil {
		return err
	}
	progress := newProgress(os.Stderr)
	c.octets = &progress.read
	src, err := c.open(e.ctx, e.log, workers)
	if err != nil {
		return err
	}
	defer src.Close()
	sides := speedy.NewSides(c.Ports, c.prefixes())
	w := newReportWriter(e.rawStdout, os.Stdout, c.Format, q, e.log)
	w.live = c.live() && c.Every != 0
	if c.Every == 0 {
		if !c.live() {
			progress.of(c.names())
		}
		return first(c.whole(e, src, w, newAsking(q, sides, anon, workers, facts), progress), w.close())
	}
	fc.Server, fc.Workers, fc.Sides, fc.Interfaces = reportServer, workers, sides, src.interfaces()
	fc.Log = e.log
	w.every = true
	var werr error
	fc.Windows = func(win *reduce.Window, header report.Window) {
		werr = first(werr, w.write(answerOf(q, win, header)))
	}
	use := fievel.Reducer{Type: q.column, Entry: q.entry, Params: q.params, Output: bus.Discard}
	f := fievel.New(fc, []fievel.Reducer{use}, anon)
	return first(src.reduce(e.ctx, e.log, f), werr, w.close())
}

// whole answers the question about all there is: where that ends in an error,
// about what stands before it.
func (c *reportCmd) whole(e *env, src *source, w *reportWriter, a *asking, progress *progress) error {
	a.interfaces = src.interfaces()
	engine := a.engine(src.engine())
	a.progress = &progress.packets
	stop := progress.start()
	err := engine.Run(e.ctx, src)
	stop()
	stats := engine.Stats()
	if err != nil && stats.Received == 0 {
		return err
	}
	src.tellDrops(a)
	win, header := a.merge()
	win.Failures(func(where string, n uint64, first error) {
		e.log.Warn("where failed, messages not selected", "where", where, "count", n, "err", first)
	})
	ans := answerOf(w.question, win, header)
	ans.packets = stats.Received + src.dropped()
	if a.shallow {
		src.logPackets(e.log, stats)
		e.log.Info("messages", "found", stats.Streams.Messages, "incomplete", stats.Streams.Incomplete)
	} else {
		stats.Malformed = win.Malformed
		src.logStats(e.log, stats)
	}
	return first(err, w.write(ans))
}

// facts are what the question looks up in files.
func (c *reportCmd) facts(q *question) (*reduce.Facts, error) {
	facts := reduce.DefaultFacts()
	for _, need := range q.entry.Needs(q.params.Where) {
		if need == reduce.NeedsCountry && c.GeoCountry == "" || need == reduce.NeedsASN && c.GeoASN == "" {
			return nil, usagef("the question needs --%s, a file in MaxMind's format", strings.ReplaceAll(need, ".", "-"))
		}
	}
	var err error
	if facts.Geo, err = reduce.OpenGeo(c.GeoCountry, c.GeoASN); err != nil {
		return nil, usagef("--%s", strings.Replace(err.Error(), ".", "-", 1))
	}
	return facts, nil
}

// question checks what is asked.
func (c *reportCmd) question() (*question, error) {
	q := &question{params: reduce.Params{MaxKeys: c.MaxKeys}, column: c.Measure}
	if c.MaxKeys < 1 || c.MaxKeys > maxMaxKeys {
		return nil, usagef("--max-keys: must be 1 to %d, got %d", maxMaxKeys, c.MaxKeys)
	}
	if c.Top != nil {
		if q.top = *c.Top; q.top < 1 || q.top > maxTop {
			return nil, usagef("--top: must be 1 to %d, got %d", maxTop, q.top)
		}
	}
	if c.Where != nil {
		var err error
		if q.params.Where, err = reduce.CompileWhere(*c.Where); err != nil {
			return nil, usagef("--where: %w", err)
		}
	}
	if c.Use != "" {
		return q, first(c.used(q), q.suits())
	}
	if c.Of == "" {
		c.Of = "messages"
	}
	if c.Measure == "" {
		c.Measure = reduce.Count.String()
	}
	q.column = c.Measure
	c.By = withArguments(c.By)
	q.entry = &reduce.Entry{Name: c.Measure, By: c.By}
	var err error
	if q.entry.Of, err = reduce.ParseScope(c.Of); err != nil {
		return nil, usagef("--of: %w", err)
	}
	if err = reduce.ParseDimensions(c.By, q.entry.Of); err != nil {
		return nil, fieldError("--by", err)
	}
	if q.entry.Measure, q.entry.OfField, err = reduce.ParseMeasure(c.Measure); err != nil {
		return nil, usagef("--measure: %w", err)
	}
	if q.entry.Measure.OfField() {
		if err = reduce.CheckMeasured(q.entry.Measure, q.entry.OfField, q.entry.Of); err != nil {
			return nil, fieldError("--measure", err)
		}
	}
	return q, q.suits()
}

// suits checks that the messages have what the expression is about.
func (q *question) suits() error {
	if q.params.Where == nil {
		return nil
	}
	if err := q.params.Where.Suits(q.entry.Of); err != nil {
		return usagef("--where: %w", err)
	}
	return nil
}

// used makes the question that of a reducer of the catalogue.
func (c *reportCmd) used(q *question) error {
	for _, other := range []struct {
		flag string
		set  bool
	}{{"--by", len(c.By) > 0}, {"--of", c.Of != ""}, {"--measure", c.Measure != ""}} {
		if other.set {
			return usagef("--use with %s: a reducer of the catalogue has its own", other.flag)
		}
	}
	entry, err := reduce.Find(c.Use)
	if err != nil {
		return usagef("--use: %w", err)
	}
	own := *entry
	q.entry, q.column = &own, measureWord(&own)
	group := reduce.NewGroup([]reduce.Use{{Entry: q.entry, Params: q.params}}, 1)
	switch hasRows := group.NewWindow().HasRows(0); {
	case hasRows && q.top == 0 && own.AsTop:
		q.top = own.Top
	case hasRows && q.top == 0 && slices.Contains(own.Takes, "n"):
		q.top = reduce.DefaultTop
	case !hasRows && c.Format == "csv":
		return usagef("--format csv with --use %s: it has no rows, json would do", c.Use)
	case !hasRows && q.top > 0:
		return usagef("--top with --use %s: it has no rows", c.Use)
	}
	return nil
}

// withArguments puts together again what a list was taken apart at: the comma of
// client_subnet(16,32) is of the field. Spaces are of none.
func withArguments(list []string) (fields []string) {
	open := false
	for _, s := range list {
		s = strings.ReplaceAll(s, " ", "")
		if open {
			s = fields[len(fields)-1] + "," + s
			fields = fields[:len(fields)-1]
		}
		fields = append(fields, s)
		open = strings.Contains(s, "(") && !strings.Contains(s, ")")
	}
	return fields
}

// measureWord is the measure of a reducer as a question has it.
func measureWord(e *reduce.Entry) string {
	if e.Measure.OfField() {
		return e.Measure.String() + ":" + e.OfField
	}
	return e.Measure.String()
}

// fieldError is a usage error, with what would do where a name is unknown.
func fieldError(flag string, err error) error {
	var unknown *reduce.UnknownFieldError
	err = fmt.Errorf("%s: %w", flag, err)
	if errors.As(err, &unknown) {
		err = hinted{err, "there are " + strings.Join(unknown.Names, ", ")}
	}
	return usageError{err}
}

// warnings is a log without what is only good to know.
type warnings struct{ slog.Handler }

// Enabled implements [slog.Handler].
func (w warnings) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"ratadns/bus"
	"ratadns/capture"
	"ratadns/capture/sample"
	"ratadns/fievel"
	"ratadns/jerry"
	"ratadns/speedy"
	"ratadns/web"
)

type upCmd struct {
	sourceFlags
	serverFlag
	workersFlag
	Speed        string `default:"1" help:"How many times as fast as recorded: a number, or max for without waiting (default: ${default})." placeholder:"N"`
	Listen       string `help:"Address of the dashboard and the API (default: localhost:8053)." placeholder:"ADDR"`
	Config       string `help:"Configuration file: servers, window, reducers, anonymize, jerry. All reports go to the dashboard." placeholder:"FILE"`
	Anonymize    string `enum:",none,hash,prefix,truncate" default:"" help:"How addresses are shown: none, hash, prefix or truncate (default: hash)." placeholder:"METHOD"`
	AnonymizeKey string `help:"Key file; without one a key is made for this run." placeholder:"FILE"`
}

func (upCmd) Help() string {
	return `Packets to dashboard in one process, with nothing else installed. Without -r,
-i and --dnstap it plays the sample capture, as three servers, its times moved
to now, round and round.

Examples:
    ratadns up
    ratadns up -r attack.pcap.zst --speed 10
    ratadns up -i eth0
    ratadns up --dnstap localhost:6000`
}

// defaultListen is where the dashboard is unless told.
const defaultListen = "localhost:8053"

// upWindow is shorter than the default of the other commands: somebody watches.
const upWindow = "1s"

// upReducers are what the dashboard shows.
var upReducers = []reducerConfig{
	{Use: "QueriesPerSecond"}, {Use: "AnswersPerSecond"}, {Use: "PacketsPerSecond"},
	{Use: "TopN"}, {Use: "TopNQ"}, {Use: "QueriesWithUnderscoredName"}, {Use: "PacketHasUnderscore"},
	{Use: "AlonePackets"}, {Use: "MalformedMessages"},
}

func (c *upCmd) Run(e *env) error {
	cfg, jc, speed, err := c.settings()
	if err != nil {
		return err
	}
	anon, err := cfg.anonymizer(e.log)
	if err != nil {
		return err
	}
	c.windows(cfg)
	fc, err := cfg.fievel()
	if err != nil {
		return err
	}
	if fc.Workers, err = c.count(); err != nil {
		return err
	}
	fc.Workers = cfg.workers(fc.Workers, e.log)
	cfg.logScripts(e.log)
	fc.Sides, fc.Log = speedy.NewSides(c.Ports, c.prefixes()), e.log
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	src, err := c.source(ctx, e.log, fc.Workers, speed)
	if err != nil {
		return err
	}
	defer src.Close()
	fc.Interfaces = src.interfaces()
	l, err := listenTCP(jc.Listen)
	if err != nil {
		return err
	}
	j := jerry.New(jc, e.log)
	f := upFievel(cfg, fc, j, anon)
	fmt.Fprintf(os.Stderr, "dashboard on %s\n", dashboardURL(jc.Listen, l.Addr()))
	served := make(chan error, 1)
	go func() {
		served <- j.Serve(ctx, l, web.Handler())
		cancel()
	}()
	err = src.reduce(ctx, e.log, f)
	if err == nil && e.ctx.Err() == nil && ctx.Err() == nil {
		e.log.Info("the capture has ended; the dashboard stays, Ctrl-C ends it")
		<-ctx.Done()
	}
	cancel()
	return errors.Join(err, <-served)
}

// settings are the configuration file's, flags over it.
func (c *upCmd) settings() (cfg *config, jc jerry.Config, speed float64, err error) {
	if speed, err = capture.ParseSpeed(c.Speed); err != nil {
		return nil, jc, 0, usagef("--speed %q: %w", c.Speed, err)
	}
	if c.live() && speed != 1 {
		return nil, jc, 0, usagef("--speed with -i or --dnstap: live traffic has its own pace; leave it out")
	}
	if speed == 0 && c.isSample() {
		return nil, jc, 0, usagef("--speed max: the sample capture goes round for ever; name a capture with -r")
	}
	cfg = newConfig()
	cfg.Jerry.Listen = defaultListen
	if c.Config != "" {
		if cfg, err = loadConfig(c.Config); err != nil {
			return nil, jc, 0, err
		}
	} else {
		cfg.Window.Duration = upWindow
	}
	if len(cfg.Reducers) == 0 {
		cfg.Reducers = upReducers
	}
	if c.isSample() && len(cfg.Servers) == 0 {
		cfg.Servers = make(map[string][]string)
		for _, s := range sample.Servers {
			cfg.Servers[s.Name] = s.Addresses
		}
	}
	if c.Anonymize != "" {
		cfg.Anonymize.Method = c.Anonymize
	}
	if c.AnonymizeKey != "" {
		cfg.Anonymize.Key = c.AnonymizeKey
	}
	jc, err = cfg.listening(c.Listen)
	return cfg, jc, speed, err
}

// isSample reports whether no source was named.
func (c *upCmd) isSample() bool { return len(c.names()) == 0 && !c.live() }

// source is what the flags name, a capture at its pace, or the sample for ever.
func (c *upCmd) source(ctx context.Context, log *slog.Logger, workers int, speed float64) (*source, error) {
	if c.isSample() {
		if err := c.checkPorts(); err != nil {
			return nil, err
		}
		selected, err := c.filter()
		if err != nil {
			return nil, err
		}
		open := func() (capture.Source, error) {
			return capture.NewReader("sample", bytes.NewReader(sample.Pcap), log)
		}
		src := &source{Source: capture.Pace(ctx, capture.Loop(open, time.Now(), speed), 1), ports: c.Ports}
		src.apply(selected) // behind the pace: a filter that selects nothing would never rest
		return src, nil
	}
	src, err := c.open(ctx, log, workers)
	if err == nil && src.live == nil && speed > 0 {
		src.Source = capture.Pace(ctx, src.Source, speed)
	}
	return src, err
}

// upFievel sends every report to j.
func upFievel(cfg *config, fc fievel.Config, j *jerry.Jerry, anon *speedy.Anonymizer) *fievel.Fievel {
	var reducers []fievel.Reducer
	for i := range cfg.Reducers {
		r := newReducer(cfg, &cfg.Reducers[i], bus.Func(j.Ingest))
		r.Seed = false // Jerry needs the windows
		reducers = append(reducers, r)
	}
	return fievel.New(fc, reducers, anon)
}

// dashboardURL is the address as people type it.
func dashboardURL(listen string, actual net.Addr) string {
	host, _, _ := net.SplitHostPort(listen)
	_, port, _ := net.SplitHostPort(actual.String())
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

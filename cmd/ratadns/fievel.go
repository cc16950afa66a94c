package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"time"

	"ratadns/bus"
	"ratadns/fievel"
	"ratadns/reduce"
	"ratadns/speedy"
)

type fievelCmd struct {
	Config string `required:"" help:"Configuration file; see: ratadns config example." placeholder:"FILE"`
}

func (fievelCmd) Help() string {
	return `Reads Speedy's messages on standard input and writes the reports of each
reducer to its output, a window after the other.

Example:
    tcpdump -i eth0 -U -w - port 53 | ratadns speedy | ratadns fievel --config rata.yml`
}

func (c *fievelCmd) Run(e *env) error {
	cfg, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	refuse := func(cfg *config) error { return first(cfg.refusePackets(), cfg.refusePlaces()) }
	if err := refuse(cfg); err != nil {
		return err
	}
	reload := newReloader(e, cfg)
	reload.prepare = refuse
	plain, _ := speedy.NewAnonymizer(speedy.None, speedy.Key{})
	fc, err := cfg.fievel()
	if err != nil {
		return err
	}
	f, outputs, err := newFievel(cfg, fc, e, plain)
	if err != nil {
		return err
	}
	if err := cfg.addAnonymous(f, e.log); err != nil {
		return err
	}
	reload.f, reload.out = f, outputs
	reload.watch(e.ctx)
	r := &messages{r: speedy.NewReader(e.stdin), log: e.log, reload: reload.apply}
	err = first(r.run(e.ctx, f), f.Close(), outputs.Close(e.log))
	e.log.Info("messages", "read", r.r.Stats.Messages, "bad", r.r.Stats.Bad, "wrong_length", r.r.Stats.Length)
	logFievel(e.log, f)
	return err
}

// first is the first error of those: what follows from it need not be said.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func logFievel(log *slog.Logger, f *fievel.Fievel) {
	s := f.Stats
	log.Info("reduced", "found", s.Found, "reduced", s.Reduced, "malformed", s.Malformed, "late", s.Late, "reports", s.Reports)
}

// messages feeds Fievel with Speedy's stream.
type messages struct {
	r       *speedy.Reader
	log     *slog.Logger
	reload  func()
	untimed bool // warned about
}

// run reads to the end, or until a moment after ctx is done: whoever writes got
// the same Ctrl-C.
func (m *messages) run(ctx context.Context, f *fievel.Fievel) error {
	ended := make(chan error, 1)
	// A read that nothing ends stays behind; it must not reach f any more.
	var using sync.Mutex
	stopped := false
	take := func(msg *speedy.Message) bool {
		using.Lock()
		defer using.Unlock()
		if stopped {
			return false
		}
		m.time(msg)
		m.reload()
		f.Message(msg)
		return f.Err() == nil // an error is told by Close
	}
	go func() {
		var msg speedy.Message
		err := m.r.Next(&msg)
		for ; err == nil; err = m.r.Next(&msg) {
			if !take(&msg) {
				break
			}
		}
		if err == io.EOF {
			err = nil
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(pipeGrace):
	}
	using.Lock()
	stopped = true
	using.Unlock()
	return nil
}

// time gives a message of the form of 2015, which has none, the clock's.
func (m *messages) time(msg *speedy.Message) {
	if msg.Has&speedy.FieldTime != 0 {
		return
	}
	if !m.untimed {
		m.untimed = true
		m.log.Warn("messages have no time, taking the clock's: replays will not agree; windows of messages do not need it")
	}
	msg.Time = time.Now().UnixNano()
}

// newFievel makes the windows, reducers and outputs of a configuration.
func newFievel(cfg *config, fc fievel.Config, e *env, anon *speedy.Anonymizer) (*fievel.Fievel, *outputs, error) {
	out := newOutputs(e, cfg.live)
	reducers, err := newReducers(cfg, out)
	if err != nil {
		return nil, nil, errors.Join(err, out.Close(e.log))
	}
	fc.Log = e.log
	return fievel.New(fc, reducers, anon), out, nil
}

// newReducers makes the reducers of a configuration; their outputs are opened
// unless they are.
func newReducers(cfg *config, out *outputs) (reducers []fievel.Reducer, err error) {
	if len(cfg.Reducers) == 0 {
		return nil, usagef("%s: no reducers; see: ratadns config example", cfg.path)
	}
	cfg.logScripts(out.log)
	for i := range cfg.Reducers {
		r := &cfg.Reducers[i]
		o, err := out.open(cfg, r)
		if err != nil {
			return nil, err
		}
		reducers = append(reducers, newReducer(cfg, r, o))
	}
	return reducers, nil
}

// refusePackets refuses the reducers of packets, of which messages tell nothing.
func (c *config) refusePackets() error {
	for i := range c.Reducers {
		if e := c.Reducers[i].entry; e.Of&reduce.Packets != 0 {
			return usageError{c.at(fmt.Sprintf("$.reducers[%d]", i), "%s counts packets, of which the messages on standard input tell nothing: use it in ratadns monitor", e.Name)}
		}
	}
	return nil
}

// fievel is the configuration of package fievel.
func (c *config) fievel() (fievel.Config, error) {
	fc := fievel.DefaultConfig()
	fc.Facts = c.facts
	var err error
	if fc.Servers, err = c.serverList(); err != nil {
		return fc, usageError{err}
	}
	if fc.Window, err = c.window(); err != nil {
		return fc, usageError{err}
	}
	if fc.Server = c.Server; fc.Server == "" {
		if fc.Server, err = os.Hostname(); err != nil {
			return fc, fmt.Errorf("server is not set and the host has no name: %w", err)
		}
	}
	return fc, nil
}

func newReducer(cfg *config, r *reducerConfig, o bus.Output) fievel.Reducer {
	entry := r.entry
	if entry == nil { // of no file, which would have been checked
		entry, _ = reduce.Find(r.Use)
	}
	codes := r.Codes
	if codes == "" {
		codes = cfg.Codes
	}
	p := reduce.Params{
		Ties: r.Ties == "all", Where: r.where, Mnemonics: codes == "names",
		Prefix4: r.Prefix4, Prefix6: r.Prefix6, Threshold: r.threshold,
	}
	for _, v := range []struct {
		from *int
		to   *int
	}{{r.N, &p.Top}, {r.Top, &p.Top}, {r.MaxKeys, &p.MaxKeys}, {r.Samples, &p.Samples}, {r.Days, &p.Days}} {
		if v.from != nil {
			*v.to = *v.from
		}
	}
	p.Types, _ = reduce.ParseTypes(r.Types)
	envelope := r.Envelope
	if envelope == "" {
		envelope = cfg.Envelope
	}
	window, _ := cfg.windowOf("", r) // which has been checked
	return fievel.Reducer{Type: r.typ(), Entry: entry, Params: p, Window: window, Seed: envelope == "seed", Output: o}
}

// addAnonymous lets f know the servers by their anonymised addresses too, which
// is how they come through a pipe.
func (c *config) addAnonymous(f *fievel.Fievel, log *slog.Logger) error {
	method := speedy.Method(c.Anonymize.Method)
	if len(c.Servers) == 0 || method == speedy.None {
		return nil
	}
	if c.Anonymize.Key == "" && method != speedy.Truncate {
		log.Warn("servers are told apart by their plain addresses only: set anonymize.key to the key file that speedy has, or run speedy with --anonymize none")
		return nil
	}
	anon, err := c.anonymizer(log)
	if err != nil {
		return err
	}
	list, err := c.serverList()
	if err != nil {
		return usageError{err}
	}
	owner := make(map[netip.Addr]string)
	for _, s := range list {
		for _, a := range s.Addresses {
			x := anon.Addr(a)
			if other, ok := owner[x]; ok && other != s.Name {
				return usagef("servers %s and %s have the same address once truncated", other, s.Name)
			}
			owner[x] = s.Name
			f.AddAddress(s.Name, x)
		}
	}
	return nil
}

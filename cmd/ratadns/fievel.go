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
	r := &messages{r: speedy.NewReader(e.stdin), log: e.log}
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

// outputs are shared by the reducers that name the same.
type outputs struct {
	stdout *bus.Lines
	files  map[string]*bus.Lines
	redis  *bus.Redis
}

// newFievel makes the windows, reducers and outputs of a configuration.
func newFievel(cfg *config, fc fievel.Config, e *env, anon *speedy.Anonymizer) (*fievel.Fievel, *outputs, error) {
	out := &outputs{stdout: bus.NewLines(e.stdout), files: make(map[string]*bus.Lines)}
	if len(cfg.Reducers) == 0 {
		return nil, nil, usagef("%s: no reducers; see: ratadns config example", cfg.path)
	}
	fc.Log = e.log
	cfg.logScripts(e.log)
	var reducers []fievel.Reducer
	for i := range cfg.Reducers {
		r := &cfg.Reducers[i]
		o, err := out.open(cfg, r, e.log)
		if err != nil {
			return nil, nil, errors.Join(err, out.Close(e.log))
		}
		reducers = append(reducers, newReducer(cfg, r, o))
	}
	return fievel.New(fc, reducers, anon), out, nil
}

// fievel is the configuration of package fievel.
func (c *config) fievel() (fievel.Config, error) {
	fc := fievel.DefaultConfig()
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
	p := reduce.Params{Ties: r.Ties == "all", Where: r.where, Mnemonics: codes == "names"}
	for _, v := range []struct {
		from *int
		to   *int
	}{{r.N, &p.Top}, {r.Top, &p.Top}, {r.MaxKeys, &p.MaxKeys}, {r.Samples, &p.Samples}} {
		if v.from != nil {
			*v.to = *v.from
		}
	}
	p.Types, _ = reduce.ParseTypes(r.Types)
	envelope := r.Envelope
	if envelope == "" {
		envelope = cfg.Envelope
	}
	return fievel.Reducer{Type: r.typ(), Entry: entry, Params: p, Seed: envelope == "seed", Output: o}
}

// open returns the output of a reducer.
func (out *outputs) open(cfg *config, r *reducerConfig, log *slog.Logger) (bus.Output, error) {
	o := cfg.outputOf(r)
	switch {
	case o == nil || o.word == "stdout":
		return out.stdout, nil
	case o.word == "discard":
		return bus.Func(func([]byte) {}), nil
	case o.File != "":
		name := expand(o.File, r.typ())
		if f := out.files[name]; f != nil {
			return f, nil
		}
		f, err := bus.OpenFile(name)
		if err != nil {
			return nil, err
		}
		out.files[name] = f
		return f, nil
	}
	if out.redis == nil {
		var err error
		if out.redis, err = bus.NewRedis(cfg.Redis.URL, log); err != nil {
			return nil, usageError{cfg.at("$.redis.url", "redis.url: %w", err)}
		}
	}
	return out.redis.Channel(expand(o.Redis.Channel, r.typ())), nil
}

// redisGrace is how long the end waits for a Redis that is away.
const redisGrace = 5 * time.Second

// Close flushes and closes them all. Reports that Redis did not take are an
// error, whenever they were dropped.
func (out *outputs) Close(log *slog.Logger) error {
	err := out.stdout.Close()
	for _, f := range out.files {
		err = first(err, f.Close())
	}
	if out.redis == nil {
		return err
	}
	rerr := out.redis.Close(redisGrace)
	s := out.redis.Stats()
	log.Info("redis", "sent", s.Sent, "dropped", s.Dropped)
	if rerr == nil && s.Dropped > 0 {
		rerr = fmt.Errorf("redis: %d reports dropped", s.Dropped)
	}
	return first(err, rerr)
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

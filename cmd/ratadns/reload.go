package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"reflect"
	"sync/atomic"
	"syscall"

	"ratadns/fievel"
)

// A reloader reads the configuration again on SIGHUP. What the signal brings is
// taken up between two messages: the reducers of the windows that begin then.
type reloader struct {
	e       *env
	cfg     *config
	out     *outputs
	f       *fievel.Fievel
	workers int
	prepare func(*config) error // for what else the command wants of it, or nil
	hangup  chan os.Signal
	next    atomic.Pointer[config] // read and checked, not taken up yet
	// What else the file says, as it was when the command began.
	server, servers, redis, anonymize any
}

// watch does what the signal asks for, until ctx is done.
func (r *reloader) watch(ctx context.Context) {
	go func() {
		defer signal.Stop(r.hangup)
		for {
			select {
			case <-ctx.Done():
				return
			case <-r.hangup:
				r.read()
			}
		}
	}()
}

// newReloader remembers what a configuration says that only a restart changes. A
// signal from now on waits for watch: to open a source takes until its first
// octets come.
func newReloader(e *env, cfg *config) *reloader {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	return &reloader{
		e: e, cfg: cfg, hangup: hangup, server: cfg.Server, servers: cfg.Servers, redis: cfg.Redis, anonymize: cfg.Anonymize,
	}
}

// read reads the file again. With an error in it the old one goes on.
func (r *reloader) read() {
	cfg, err := r.load()
	if err != nil {
		r.e.log.Error("configuration not reloaded, the old one goes on", "path", r.cfg.path, "err", err)
		return
	}
	for _, m := range []struct {
		name     string
		was, now any
	}{
		{"server", r.server, cfg.Server}, {"servers", r.servers, cfg.Servers},
		{"redis", r.redis, cfg.Redis}, {"anonymize", r.anonymize, cfg.Anonymize},
	} {
		if !reflect.DeepEqual(m.was, m.now) {
			r.e.log.Warn("a change of the configuration needs a restart", "path", cfg.path, "member", m.name)
		}
	}
	r.next.Store(cfg)
}

func (r *reloader) load() (*config, error) {
	if r.cfg.path == "-" {
		return nil, errors.New("standard input cannot be read twice")
	}
	cfg, err := loadConfig(r.cfg.path)
	if err != nil {
		return nil, err
	}
	if r.prepare != nil {
		if err := r.prepare(cfg); err != nil {
			return nil, err
		}
	}
	if script := cfg.unmerged(); script != "" && r.workers > 1 {
		return nil, errors.New("script " + script + " has no merge(other), and this run has several workers: restart")
	}
	return cfg, nil
}

// apply takes up what has been read. No handler of Fievel may be running.
func (r *reloader) apply() {
	if r.next.Load() == nil {
		return
	}
	cfg := r.next.Swap(nil)
	cfg.live = r.cfg.live
	reducers, err := newReducers(cfg, r.out)
	if err != nil {
		r.e.log.Error("configuration not reloaded, the old one goes on", "path", cfg.path, "err", err)
		return
	}
	r.f.SetFacts(cfg.facts)
	r.f.Reload(reducers)
	r.e.log.Info("configuration reloaded", "path", cfg.path, "reducers", len(reducers))
}

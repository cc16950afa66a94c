package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"ratadns/bus"
	"ratadns/jerry"
	"ratadns/web"
)

type jerryCmd struct {
	Config string `required:"" help:"Configuration file: redis and jerry." placeholder:"FILE"`
	Listen string `help:"Address of the dashboard and the API; over the file's jerry.listen." placeholder:"ADDR"`
}

func (jerryCmd) Help() string {
	return `Hears the reports of all monitors through Redis, remembers the last hour, and
serves the dashboard at / and the HTTP API at /api/v1.

Example:
    ratadns jerry --config rata.yml --listen 127.0.0.1:8053`
}

func (c *jerryCmd) Run(e *env) error {
	cfg, jc, err := c.settings()
	if err != nil {
		return err
	}
	if cfg.Jerry.History.Dir != "" {
		e.log.Warn("jerry.history.dir is not used in this version: reports are kept in memory", "keep", jc.Keep)
	}
	channels := jc.Subscribe.Channels
	if len(channels) == 0 {
		channels = catalogueChannels(cfg)
	}
	sub, err := bus.NewSubscriber(cfg.Redis.URL, channels, e.log)
	if err != nil {
		return usageError{cfg.at("$.redis.url", "redis.url: %w", err)}
	}
	l, err := listenTCP(jc.Listen)
	if err != nil {
		return err
	}
	j := jerry.New(jc, e.log, jerry.WithConnected(sub.Connected))
	e.log.Info("dashboard", "url", dashboardURL(jc.Listen, l.Addr()))

	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	heard := make(chan error, 1)
	go func() {
		heard <- sub.Run(ctx, func(_ string, payload []byte) { j.Ingest(payload) })
		cancel()
	}()
	err = j.Serve(ctx, l, web.Handler())
	cancel()
	return errors.Join(err, <-heard)
}

// settings are the configuration file's, flags over it.
func (c *jerryCmd) settings() (*config, jerry.Config, error) {
	cfg, err := loadConfig(c.Config)
	if err != nil {
		return nil, jerry.Config{}, err
	}
	if cfg.Redis.URL == "" {
		return nil, jerry.Config{}, usageError{cfg.at("$.redis", "redis.url is not set: jerry hears reports through redis, like redis://localhost:6379/0")}
	}
	jc, err := cfg.listening(c.Listen)
	return cfg, jc, err
}

// listening is Jerry's configuration with the address of --listen, if any.
func (c *config) listening(listen string) (jerry.Config, error) {
	jc, err := c.jerry()
	if err != nil {
		return jc, usageError{err}
	}
	if listen != "" {
		if jc.Listen = listen; jc.Validate() != nil {
			return jc, usagef("--listen: %w", jc.Validate())
		}
	}
	return jc, nil
}

// listenTCP listens, or says what is wrong with the address.
func listenTCP(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, hinted{fmt.Errorf("listen %s: address is in use", addr), "another program answers there; choose another address with --listen ADDR"}
	}
	return l, err
}

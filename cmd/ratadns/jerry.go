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
	cfg, err := c.settings()
	if err != nil {
		return err
	}
	channels := cfg.Jerry.Subscribe.Channels
	if len(channels) == 0 {
		channels = catalogueChannels(cfg)
	}
	sub, err := bus.NewSubscriber(cfg.Redis.URL, channels, e.log)
	if err != nil {
		return usageError{cfg.at("$.redis.url", "redis.url: %w", err)}
	}
	l, err := listenTCP(cfg.Jerry.Listen)
	if err != nil {
		return err
	}
	j := jerry.New(cfg.Jerry, e.log, jerry.WithConnected(sub.Connected))
	e.log.Info("dashboard", "url", dashboardURL(cfg.Jerry.Listen, l.Addr()))

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
func (c *jerryCmd) settings() (*config, error) {
	cfg, err := loadConfig(c.Config)
	if err != nil {
		return nil, err
	}
	if c.Listen != "" {
		cfg.Jerry.Listen = c.Listen
		if err := cfg.Jerry.Validate(); err != nil {
			return nil, usagef("--listen: %w", err)
		}
	}
	if cfg.Redis.URL == "" {
		return nil, usageError{cfg.at("$.redis", "redis.url is not set: jerry hears reports through redis, like redis://localhost:6379/0")}
	}
	if len(cfg.Jerry.Subscribe.Streams) > 0 {
		return nil, usageError{cfg.at("$.jerry.subscribe.streams", "jerry.subscribe.streams must be empty in this version; reports are heard on channels")}
	}
	return cfg, nil
}

// listenTCP listens, or says what is wrong with the address.
func listenTCP(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, hinted{fmt.Errorf("listen %s: address is in use", addr), "another program answers there; choose another address with --listen ADDR"}
	}
	return l, err
}

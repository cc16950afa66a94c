package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// A quiet connection is asked after pingInterval whether it still lives,
	// and given up after silenceLimit.
	pingInterval = 10 * time.Second
	silenceLimit = 30 * time.Second
)

// A Subscriber hears Redis channels for as long as it runs, and reconnects for
// ever. Pub/Sub keeps nothing: what is published while it is away is not heard.
type Subscriber struct {
	client    *redis.Client
	names     []string
	patterns  []string
	log       *slog.Logger
	connected atomic.Bool
}

// NewSubscriber makes a subscriber to channels, each a name or a pattern with
// one of *?[ in it. What is published on a channel that both a name and a
// pattern match is delivered once for each, as Redis does.
func NewSubscriber(url string, channels []string, log *slog.Logger) (*Subscriber, error) {
	client, err := newClient(url)
	if err != nil {
		return nil, err
	}
	s := &Subscriber{client: client, log: log}
	for _, c := range channels {
		if strings.ContainsAny(c, "*?[") {
			s.patterns = append(s.patterns, c)
		} else {
			s.names = append(s.names, c)
		}
	}
	if len(channels) == 0 {
		return nil, errors.New("redis: no channels to subscribe to")
	}
	return s, nil
}

// Connected reports whether every channel is subscribed to at this moment.
func (s *Subscriber) Connected() bool { return s.connected.Load() }

// Run hands each report to handle, one at a time, until ctx is done.
func (s *Subscriber) Run(ctx context.Context, handle func(channel string, payload []byte)) error {
	defer s.client.Close()
	link := newLink(s.log, s.client.Options().Addr)
	for {
		err := s.session(ctx, link, handle)
		if ctx.Err() != nil {
			return nil
		}
		link.reached(err)
		if !link.pause(ctx) {
			return nil
		}
	}
}

// session is one connection: it subscribes, then hears until the connection
// breaks.
func (s *Subscriber) session(ctx context.Context, link *link, handle func(string, []byte)) error {
	defer s.connected.Store(false)
	sub := s.client.Subscribe(ctx)
	defer sub.Close()
	defer context.AfterFunc(ctx, func() { sub.Close() })()
	if len(s.names) > 0 {
		if err := sub.Subscribe(ctx, s.names...); err != nil {
			return err
		}
	}
	if len(s.patterns) > 0 {
		if err := sub.PSubscribe(ctx, s.patterns...); err != nil {
			return err
		}
	}
	var heard atomic.Int64
	heard.Store(time.Now().UnixNano())
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go watch(watching, sub, &heard)

	for pending := len(s.names) + len(s.patterns); ; {
		msg, err := sub.Receive(ctx)
		if err != nil {
			return fmt.Errorf("subscription ended: %w", err)
		}
		heard.Store(time.Now().UnixNano())
		switch msg := msg.(type) {
		case *redis.Subscription:
			if pending--; pending == 0 {
				s.connected.Store(true)
				s.log.Info("redis subscribed", "addr", link.addr, "channels", len(s.names)+len(s.patterns))
				link.reached(nil)
			}
		case *redis.Message:
			handle(msg.Channel, []byte(msg.Payload))
			// A slow handler is not a silent connection.
			heard.Store(time.Now().UnixNano())
		}
	}
}

// watch closes a subscription that has been silent for too long: the network
// may have lost the connection without a word.
func watch(ctx context.Context, sub *redis.PubSub, heard *atomic.Int64) {
	tick := time.NewTicker(pingInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		silent := time.Since(time.Unix(0, heard.Load()))
		if silent > silenceLimit {
			sub.Close()
			return
		}
		if silent >= pingInterval {
			sub.Ping(ctx) // a failure shows in Receive
		}
	}
}

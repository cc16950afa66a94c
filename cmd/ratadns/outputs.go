package main

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"ratadns/archive"
	"ratadns/bus"
)

// rotateConfig says when a file of reports is complete.
type rotateConfig struct {
	Size  string `yaml:"size"`
	Every string `yaml:"every"`
	Keep  *int   `yaml:"keep"`
}

// minEvery keeps a wrong unit from making a file for each report.
const minEvery = time.Second

// rotation reads that of the output at path; it is nil where there is none.
func (c *config) rotation(path string, o *outputConfig) (*bus.Rotation, error) {
	if o.Rotate == nil {
		return nil, nil
	}
	path += ".rotate"
	if o.File == "" {
		return nil, c.at(path, "rotate is for files")
	}
	var r bus.Rotation
	if text := o.Rotate.Size; text != "" {
		var size archive.Size
		if err := size.UnmarshalText([]byte(text)); err != nil || size <= 0 {
			return nil, c.at(path+".size", "rotate.size must be a size with its unit, like 100MiB, got %q", text)
		}
		r.Size = int64(size)
	}
	if text := o.Rotate.Every; text != "" {
		every, err := time.ParseDuration(text)
		if err != nil || every < minEvery {
			return nil, c.at(path+".every", "rotate.every must be at least 1s, a length with its unit like 24h, got %q", text)
		}
		r.Every = every
	}
	if r == (bus.Rotation{}) {
		return nil, c.at(path, "rotate needs a size, an every or both")
	}
	if k := o.Rotate.Keep; k != nil {
		if err := c.whole(path+".keep", "rotate.keep"); err != nil {
			return nil, err
		}
		if *k < 1 {
			return nil, c.at(path+".keep", "rotate.keep must be at least 1, got %d; without it all are kept", *k)
		}
		r.Keep = *k
	}
	return &r, nil
}

// outputs are shared by the reducers that name the same. Those of a live source
// have a queue each, so that none delays another or the source; those of files
// and pipes are written at once, and lose nothing.
type outputs struct {
	log    *slog.Logger
	live   bool
	stdout bus.Output
	files  map[string]fileOutput
	redis  *bus.Redis
	queues []queue
}

type queue struct {
	*bus.Queue
	name string
}

type fileOutput struct {
	bus.Output
	rotation bus.Rotation
}

func newOutputs(e *env, live bool) *outputs {
	out := &outputs{log: e.log, live: live, files: make(map[string]fileOutput)}
	w := e.stdout
	if live {
		w = e.rawStdout // whose buffer is no queue's
	}
	out.stdout = out.queued(bus.NewLines(w), "stdout")
	return out
}

// queued puts a queue before an output of a live source.
func (out *outputs) queued(o bus.Output, name string) bus.Output {
	if !out.live {
		return o
	}
	q := bus.NewQueue(o, name, out.log)
	out.queues = append(out.queues, queue{q, name})
	return q
}

// open returns the output of a reducer.
func (out *outputs) open(cfg *config, r *reducerConfig) (bus.Output, error) {
	o := cfg.outputOf(r)
	switch {
	case o == nil || o.word == "stdout":
		return out.stdout, nil
	case o.word == "discard":
		return bus.Discard, nil
	case o.File != "":
		return out.openFile(cfg, o, expand(o.File, r.typ()))
	}
	if out.redis == nil {
		var err error
		if out.redis, err = bus.NewRedis(cfg.Redis.URL, out.log); err != nil {
			return nil, usageError{cfg.at("$.redis.url", "redis.url: %w", err)}
		}
	}
	return out.redis.Channel(expand(o.Redis.Channel, r.typ())), nil
}

func (out *outputs) openFile(cfg *config, o *outputConfig, name string) (bus.Output, error) {
	rotation, err := cfg.rotation("", o)
	if err != nil {
		return nil, err
	}
	if rotation == nil {
		rotation = new(bus.Rotation)
	}
	if f, ok := out.files[name]; ok {
		if f.rotation != *rotation {
			return nil, usagef("%s: two reducers rotate %s in two ways", cfg.path, name)
		}
		return f.Output, nil
	}
	var file bus.Output
	switch {
	case *rotation != (bus.Rotation{}):
		file, err = bus.OpenRotating(name, *rotation)
	case out.live && bus.IsFIFO(name):
		file = bus.OpenFIFO(name)
	default:
		file, err = bus.OpenFile(name)
	}
	if err != nil {
		return nil, err
	}
	f := fileOutput{out.queued(file, name), *rotation}
	out.files[name] = f
	return f.Output, nil
}

// redisGrace is how long the end waits for a Redis that is away.
const redisGrace = 5 * time.Second

// Close flushes and closes them all, side by side. Reports that an output did not
// take are an error, whenever they were dropped.
func (out *outputs) Close(log *slog.Logger) error {
	closing := []func() error{out.stdout.Close}
	for _, name := range slices.Sorted(maps.Keys(out.files)) {
		closing = append(closing, out.files[name].Close)
	}
	if out.redis != nil {
		closing = append(closing, func() error { return out.redis.Close(redisGrace) })
	}
	errs := make([]error, len(closing))
	var wg sync.WaitGroup
	for i, c := range closing {
		wg.Go(func() { errs[i] = c() })
	}
	wg.Wait()
	err := first(errs...)
	for _, q := range out.queues {
		if s := q.Stats(); s != (bus.QueueStats{}) {
			log.Info("output", "output", q.name, "sent", s.Sent, "dropped", s.Dropped)
		}
	}
	if out.redis == nil {
		return err
	}
	s := out.redis.Stats()
	log.Info("redis", "sent", s.Sent, "dropped", s.Dropped)
	if err == nil && s.Dropped > 0 {
		err = fmt.Errorf("redis: %d reports dropped", s.Dropped)
	}
	return err
}

package main

import (
	"os"
	"runtime/debug"

	"ratadns/speedy"
)

type monitorCmd struct {
	Config string `required:"" help:"Configuration file; see: ratadns config example." placeholder:"FILE"`
	sourceFlags
	serverFlag
	workersFlag
}

func (monitorCmd) Help() string {
	return `Speedy and Fievel in one process, without the JSON between: packets in,
reports out, each reducer's to its own output.

Examples:
    ratadns monitor -i eth0 --config rata.yml
    ratadns monitor -r today.pcap.zst --config rata.yml
    ratadns monitor --dnstap /run/ratadns/dnstap.sock --config rata.yml`
}

// softMemory is from where on the collector works harder. Without it memory may
// grow to twice what is in use, of which an attack on all reducers at once makes
// some 300 MiB.
const softMemory = 384 << 20

func (c *monitorCmd) Run(e *env) error {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softMemory)
	}
	workers, err := c.count()
	if err != nil {
		return err
	}
	cfg, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	reload := newReloader(e, cfg)
	reload.prepare = func(cfg *config) error { c.windows(cfg); return nil }
	anon, err := cfg.anonymizer(e.log)
	if err != nil {
		return err
	}
	c.windows(cfg)
	fc, err := cfg.fievel()
	if err != nil {
		return err
	}
	workers = cfg.workers(workers, e.log)
	fc.Workers, fc.Sides = workers, speedy.NewSides(c.Ports, c.prefixes())
	src, err := c.open(e.ctx, e.log, workers)
	if err != nil {
		return err
	}
	defer src.Close()
	cfg.live, fc.Interfaces = src.live != nil, src.interfaces()
	f, outputs, err := newFievel(cfg, fc, e, anon)
	if err != nil {
		return err
	}
	reload.f, reload.out, reload.workers = f, outputs, workers
	reload.watch(e.ctx)
	src.between = reload.apply
	return first(src.reduce(e.ctx, e.log, f), outputs.Close(e.log))
}

package fievel

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"ratadns/reduce"
	"ratadns/report"
	"ratadns/speedy"
)

// Config says how messages are grouped.
type Config struct {
	Server  string   // the serverId of what matches none of Servers
	Servers []Server // told apart by their addresses
	Sides   *speedy.Sides
	Window  Window        // of the reducers that want none of their own
	Workers int           // that share the flows; 0 is one
	Facts   *reduce.Facts // nil are those that come with the program
	Log     *slog.Logger
	// Interfaces are the names that the packets' numbers stand for.
	Interfaces []string
	// Windows, where it is set, takes each window that is over in place of the
	// outputs of its reducers. It must not keep the window.
	Windows func(w *reduce.Window, header report.Window)
}

// A Window is a length of capture time aligned to the epoch, or a number of
// messages.
type Window struct {
	Duration time.Duration
	Messages int
	// Lateness is how long after its end a window of time still takes packets.
	Lateness time.Duration
}

// DefaultConfig has windows of ten seconds.
func DefaultConfig() Config {
	return Config{
		Sides:  speedy.NewSides([]uint16{53}, nil),
		Window: Window{Duration: 10 * time.Second, Lateness: time.Second},
		Log:    slog.New(slog.DiscardHandler),
	}
}

// plain is w without what means nothing to it, so that equal windows are equal.
func (w Window) plain() Window {
	if w.Messages > 0 {
		return Window{Messages: w.Messages}
	}
	return w
}

// Limits of a window.
const (
	minDuration = time.Millisecond
	maxDuration = 24 * time.Hour
	maxLateness = time.Hour
	maxOpen     = 4096 // that wait for late packets
)

// Validate checks the numbers; the error names the member.
func (w Window) Validate() error {
	switch {
	case w.Messages < 0:
		return fmt.Errorf("messages must be positive, got %d", w.Messages)
	case w.Messages > 0:
		return nil
	case w.Duration <= 0:
		return fmt.Errorf("duration must be positive, got %s", w.Duration)
	case w.Duration < minDuration || w.Duration > maxDuration:
		return fmt.Errorf("duration must be %s to %s, got %s", minDuration, maxDuration, w.Duration)
	case w.Lateness < 0 || w.Lateness > maxLateness:
		return fmt.Errorf("lateness must be 0s to %s, got %s", maxLateness, w.Lateness)
	case w.Lateness/w.Duration > maxOpen:
		return fmt.Errorf("duration of %s with a lateness of %s keeps %d windows open, there may be %d", w.Duration, w.Lateness, w.Lateness/w.Duration, maxOpen)
	}
	return nil
}

// Validate checks the configuration.
func (c Config) Validate() error {
	if c.Server == "" {
		return errors.New("server must not be empty")
	}
	if err := c.Window.Validate(); err != nil {
		return fmt.Errorf("window.%w", err)
	}
	return nil
}

//go:build !linux

package capture

import "log/slog"

// OpenLive listens on interfaces.
func OpenLive(Live, *slog.Logger) (*LiveSource, error) { return nil, ErrNoLive }

// Close implements [Source].
func (l *LiveSource) Close() error { return nil }

//go:build !linux

package capture

// OpenLive listens on interfaces.
func OpenLive(Live) (*LiveSource, error) { return nil, ErrNoLive }

// Close implements [Source].
func (l *LiveSource) Close() error { return nil }

//go:build !linux

package capture

// OpenLive listens on interfaces.
func OpenLive(Live) (*LiveSource, error) { return nil, ErrNoLive }

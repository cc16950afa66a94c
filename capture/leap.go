package capture

import "time"

// Leap is how far one packet moves the time of those who follow a capture. A
// packet farther away is believed when others agree with it, Agreement of them
// with itself: one with an absurd time changes nothing.
const (
	Leap      = 24 * time.Hour
	Agreement = 3
)

// Near reports whether two times are no more than a Leap apart.
func Near(a, b int64) bool { return uint64(max(a, b)-min(a, b)) <= uint64(Leap) } // which has room for any difference

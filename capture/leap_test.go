package capture

import (
	"math"
	"testing"
)

func TestNear(t *testing.T) {
	const leap = int64(Leap)
	for _, c := range []struct {
		a, b int64
		want bool
	}{
		{0, 0, true}, {0, leap, true}, {0, leap + 1, false}, {-leap, 0, true}, {-leap - 1, 0, false},
		{math.MinInt64, math.MaxInt64, false}, {math.MinInt64, math.MinInt64 + leap, true},
		{math.MaxInt64, math.MaxInt64 - leap - 1, false}, {math.MinInt64, 0, false}, {-1, math.MaxInt64, false},
	} {
		if Near(c.a, c.b) != c.want || Near(c.b, c.a) != c.want {
			t.Errorf("Near(%d, %d) is not %v", c.a, c.b, c.want)
		}
	}
}

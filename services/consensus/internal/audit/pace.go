package audit

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

const (
	// readBytesPerSecond is the pace of reading a state to check it, some percent of what a disk and a processor can
	// do; readMax is how long that may take, for states that are so large that it would be longer.
	readBytesPerSecond = 32 << 20
	readMax            = time.Hour
	// readBurstsPerSecond is how often what may be read in a second is given out: what was held up longer is not made up for.
	readBurstsPerSecond = 10
)

// pace returns what holds the reading of a state of a size back, so that others get at the disk: not at all until serving is
// closed, or initialMax is over, and as much later that it takes as long as readMax, or reads readBytesPerSecond. What it returns waits
// until more may be read than was, or ctx ends; it is for one reader.
func pace(serving <-chan struct{}, size int64) func(ctx context.Context, read int) error {
	bytesPerSecond := max(readBytesPerSecond, float64(size)/readMax.Seconds())
	burst := int(bytesPerSecond / readBurstsPerSecond)
	limiter := rate.NewLimiter(rate.Limit(bytesPerSecond), burst)
	free := time.Now().Add(initialMax)
	select {
	case <-serving:
		free = time.Now()
	default:
	}
	return func(ctx context.Context, read int) error {
		if time.Now().Before(free) {
			return nil
		}
		for ; read > 0; read -= burst {
			if err := limiter.WaitN(ctx, min(read, burst)); err != nil {
				return err
			}
		}
		return nil
	}
}

package lease

import (
	"context"
	"errors"
	"time"
)

// epochPause is the least time for which an epoch is held before it is given up because of unknown outcomes.
const epochPause = 250 * time.Millisecond

// errUnknownOutcome gives an epoch up because the outcome of a client's grant or revoke is unknown: it may take effect at any
// time, as long as the epoch is the newest.
var errUnknownOutcome = errors.New("the outcome of a grant or a revoke is unknown")

// endUnknown gives the epoch up once an outcome under it is unknown, after a pause in which more of them may gather.
func endUnknown(ctx context.Context, c *core) error {
	for {
		if err := pause(ctx, epochPause); err != nil {
			return err
		}
		if err := await(ctx, c.epochOver); err != nil {
			return err
		}
		if status, _ := c.status(); status.EpochOver {
			return errUnknownOutcome
		}
	}
}

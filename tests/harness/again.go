package harness

import (
	"context"
	"time"
)

// Again asks until the answer is not an error, each time within a time of its own, with a pause between two. It returns the last error when
// ctx ends.
func Again(ctx context.Context, within, pause time.Duration, ask func(context.Context) error) error {
	for {
		one, cancel := context.WithTimeout(ctx, within)
		err := ask(one)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

package mvcc

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"golang.org/x/sync/errgroup"
)

// eachAtOnce calls fn with the numbers up to n, in order, each on a goroutine of its own and up to most at a time, and waits for all. The first error ends the context of the others.
// A panic is the caller's: a file that is damaged may make one, and who has mapped it knows what that means.
func eachAtOnce(ctx context.Context, n, most int, fn func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(most)
	for i := range n {
		group.Go(func() (err error) {
			defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
			defer func() {
				if cause := recover(); cause != nil {
					err = &panicked{cause}
				}
			}()
			return fn(ctx, i)
		})
	}
	err := group.Wait()
	if p := (*panicked)(nil); errors.As(err, &p) {
		panic(p.cause)
	}
	return err
}

// panicked is what a goroutine has panicked with.
type panicked struct{ cause any }

func (p *panicked) Error() string { return fmt.Sprint(p.cause) }

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/quoratedb/quorate/tests/faults/compose/stack"
	"github.com/quoratedb/quorate/tests/harness"
)

const (
	// imageWithin bounds what is done with one container of the image: it becomes healthy twice, five seconds after a start at the earliest.
	imageWithin = 2 * time.Minute
	// imageClientPort is where the image says that it serves clients.
	imageClientPort = 2379
	// lateHeartbeat is the warning of a member that got no processor for a moment.
	lateHeartbeat = "leader failed to send out heartbeat on time"
)

// imageAlone runs the image as docker run does, with one flag of which the image has a default, and wants a member that others reach and that keeps its
// data: it becomes healthy, clients outside use it, it stops cleanly, and what was written is there after a restart. It has nothing to warn of but the
// machine, where that is busy.
func imageAlone(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, imageWithin)
	defer cancel()
	begin := time.Now()
	c, err := stack.RunImage(ctx, "quorate", project+"-image", "--advertise-client-urls=http://store:2379")
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteWithin)
		defer cancel()
		if err != nil {
			text, logErr := c.Logs(ctx)
			err = errors.Join(fmt.Errorf("%w; it printed:\n%s", err, text), logErr)
		}
		err = errors.Join(err, c.Delete(ctx))
	}()
	if err := c.AwaitHealthy(ctx); err != nil {
		return err
	}
	fmt.Printf("the image alone is healthy after %.1f s\n", time.Since(begin).Seconds())
	if err := c.Exec(ctx, "/quorate", "health"); err != nil {
		return err
	}
	if err := put(ctx, c, "kept"); err != nil {
		return err
	}
	if err := c.Restart(ctx); err != nil {
		return err
	}
	if err := c.AwaitHealthy(ctx); err != nil {
		return err
	}
	if err := hasKept(ctx, c, "kept"); err != nil {
		return err
	}
	printed, err := c.Logs(ctx)
	if err != nil {
		return err
	}
	for line := range strings.Lines(printed) {
		if strings.Contains(line, lateHeartbeat) {
			continue
		}
		if strings.Contains(line, `"level":"warn"`) || strings.Contains(line, `"level":"error"`) {
			return fmt.Errorf("it warns: %s", line)
		}
	}
	if !strings.Contains(printed, `"msg":"stopped"`) {
		return errors.New("it did not stop cleanly")
	}
	return nil
}

func put(ctx context.Context, c *stack.Container, key string) error {
	endpoint, err := c.Published(ctx, imageClientPort)
	if err != nil {
		return err
	}
	client, err := harness.Dial(endpoint)
	if err != nil {
		return err
	}
	_, err = client.Put(ctx, key, "value")
	return errors.Join(err, client.Close())
}

func hasKept(ctx context.Context, c *stack.Container, key string) error {
	endpoint, err := c.Published(ctx, imageClientPort)
	if err != nil {
		return err
	}
	client, err := harness.Dial(endpoint)
	if err != nil {
		return err
	}
	answer, err := client.Get(ctx, key)
	if err == nil && answer.Count != 1 {
		err = errors.New("what was written is gone after a restart")
	}
	return errors.Join(err, client.Close())
}

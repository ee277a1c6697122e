package stack

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// healthyEvery is the time between two looks at whether a container is healthy.
const healthyEvery = 200 * time.Millisecond

// RunImage starts a container from an image alone, as docker run does with flags for the program, under a name that no other may have: what had it
// is deleted.
func RunImage(ctx context.Context, image, name string, flags ...string) (*Container, error) {
	if err := (&Container{ID: name}).Delete(ctx); err != nil {
		return nil, err
	}
	id, err := docker(ctx, append([]string{"run", "--detach", "--name", name, "--publish-all", image}, flags...)...)
	if err != nil {
		return nil, err
	}
	c := &Container{ID: strings.TrimSpace(id)}
	return c, c.inspect(ctx)
}

// Published is where a port of the container is reached on this machine. It may be another after a restart.
func (c *Container) Published(ctx context.Context, port int) (string, error) {
	text, err := docker(ctx, "port", c.ID, fmt.Sprint(port))
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(text, "\n")
	return strings.Replace(first, "0.0.0.0:", "127.0.0.1:", 1), nil
}

// AwaitHealthy waits until the image's own health check has said so.
func (c *Container) AwaitHealthy(ctx context.Context) error {
	ticker := time.NewTicker(healthyEvery)
	defer ticker.Stop()
	for {
		d, err := c.detail(ctx)
		switch {
		case err != nil:
			return err
		case d.State.Health == nil:
			return fmt.Errorf("the image of %s has no health check", c.Name)
		case d.State.Health.Status == "healthy":
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is %s, %s: %w", c.Name, d.State.Status, d.State.Health.Status, ctx.Err())
		}
	}
}

// Restart stops the container as an operator does, and starts it again.
func (c *Container) Restart(ctx context.Context) error {
	_, err := docker(ctx, "restart", c.ID)
	return err
}

// Exec runs a command in the container.
func (c *Container) Exec(ctx context.Context, command ...string) error {
	_, err := docker(ctx, append([]string{"exec", c.ID}, command...)...)
	return err
}

// Logs is all that the container has printed.
func (c *Container) Logs(ctx context.Context) (string, error) {
	text, err := exec.CommandContext(ctx, "docker", "logs", c.ID).CombinedOutput()
	return string(text), err
}

// Delete deletes the container, if there is one, with its volumes.
func (c *Container) Delete(ctx context.Context) error {
	_, err := docker(ctx, "rm", "--force", "--volumes", c.ID)
	if err != nil && strings.Contains(err.Error(), "No such container") {
		return nil
	}
	return err
}

package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
)

// Container is one container of a stack. Only one goroutine may change it at a time.
type Container struct {
	ID   string
	Name string
	// Service is its name in the file.
	Service string
	// attached are its networks, with the names that it has in each.
	attached map[string][]string
	// check is the command that its health check runs, none if it has none.
	check []string
	// crashes is how often Crash was called.
	crashes int
}

// detail is what the engine tells of a container.
type detail struct {
	Name         string
	RestartCount int
	State        struct {
		Status    string
		Pid       int
		OOMKilled bool
		Health    *struct{ Status string }
	}
	Config struct {
		Labels      map[string]string
		Healthcheck *struct{ Test []string }
	}
	NetworkSettings struct {
		Networks map[string]struct {
			Aliases   []string
			IPAddress string
		}
	}
}

func (c *Container) detail(ctx context.Context) (*detail, error) {
	var details []detail
	if err := inspect(ctx, c.ID, &details); err != nil {
		return nil, err
	}
	if len(details) != 1 {
		return nil, fmt.Errorf("%d containers have the id %s", len(details), c.ID)
	}
	return &details[0], nil
}

func (c *Container) inspect(ctx context.Context) error {
	d, err := c.detail(ctx)
	if err != nil {
		return err
	}
	c.Name, c.Service = strings.TrimPrefix(d.Name, "/"), d.Config.Labels["com.docker.compose.service"]
	c.attached = map[string][]string{}
	for network, attachment := range d.NetworkSettings.Networks {
		c.attached[network] = attachment.Aliases
	}
	if h := d.Config.Healthcheck; h != nil && len(h.Test) > 1 && h.Test[0] == "CMD" {
		c.check = h.Test[1:]
	}
	return nil
}

// Address is the container's address in the network whose name ends so.
func (c *Container) Address(ctx context.Context, network string) (string, error) {
	d, err := c.detail(ctx)
	if err != nil {
		return "", err
	}
	for name, attachment := range d.NetworkSettings.Networks {
		if strings.HasSuffix(name, "_"+network) {
			return attachment.IPAddress, nil
		}
	}
	return "", fmt.Errorf("%s is in no network %s", c.Name, network)
}

// Kill ends the container's process as a crash does. It stays so until Start.
func (c *Container) Kill(ctx context.Context) error { return c.do(ctx, "kill") }

// Crash ends the container's process from outside of the engine, which then starts it anew by its restart policy. It needs root on the engine's host.
func (c *Container) Crash(ctx context.Context) error {
	d, err := c.detail(ctx)
	if err != nil {
		return err
	}
	if d.State.Pid <= 1 {
		return fmt.Errorf("%s has no process", c.Name)
	}
	c.crashes++
	return syscall.Kill(d.State.Pid, syscall.SIGKILL)
}

// Start starts a container that was killed.
func (c *Container) Start(ctx context.Context) error { return c.do(ctx, "start") }

// Pause freezes the container's process until Unpause.
func (c *Container) Pause(ctx context.Context) error { return c.do(ctx, "pause") }

// Unpause lets a frozen process go on.
func (c *Container) Unpause(ctx context.Context) error { return c.do(ctx, "unpause") }

func (c *Container) do(ctx context.Context, what string) error {
	_, err := docker(ctx, what, c.ID)
	return err
}

// Disconnect unplugs the container from all its networks until Connect.
func (c *Container) Disconnect(ctx context.Context) error {
	for _, network := range c.networks() {
		if _, err := docker(ctx, "network", "disconnect", network, c.ID); err != nil {
			return err
		}
	}
	return nil
}

// Connect plugs the container into its networks again, with the names that it had; its addresses may be others.
func (c *Container) Connect(ctx context.Context) error {
	for _, network := range c.networks() {
		args := []string{"network", "connect"}
		for _, alias := range c.attached[network] {
			args = append(args, "--alias", alias)
		}
		if _, err := docker(ctx, append(args, network, c.ID)...); err != nil {
			return err
		}
	}
	return nil
}

func (c *Container) networks() []string { return slices.Sorted(maps.Keys(c.attached)) }

// Healthy runs the container's own health check once.
func (c *Container) Healthy(ctx context.Context) error {
	if c.check == nil {
		return nil
	}
	if _, err := docker(ctx, append([]string{"exec", c.ID}, c.check...)...); err != nil {
		return fmt.Errorf("%s is not healthy: %w", c.Name, err)
	}
	return nil
}

// Ended says that the container's process has ended though nobody had it end. The engine counts restarts by policy since the container was last started by
// hand, so that this may overlook some, and never blames one that was killed.
func (c *Container) Ended(ctx context.Context) error {
	d, err := c.detail(ctx)
	switch {
	case err != nil:
		return err
	case d.State.OOMKilled:
		return fmt.Errorf("%s has been killed for want of memory", c.Name)
	case d.State.Status != "running":
		return errors.New(c.Name + " is " + d.State.Status)
	case d.RestartCount > c.crashes:
		return fmt.Errorf("%s has ended by itself: it was restarted %d times, %d of them for a crash of the test's", c.Name, d.RestartCount, c.crashes)
	}
	return nil
}

package shell

import (
	"context"
	"errors"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

const (
	// probeMax is how long endpoints have to say that they are well, and probeGrace how much later than the first the others may be.
	probeMax   = time.Second
	probeGrace = 100 * time.Millisecond
	// widenAfter is when a command that still runs goes back to all endpoints: those that were not well may be the only ones that are left by then.
	widenAfter = 15 * time.Second
)

// connectWell makes a client of those endpoints that are well, in the order in which they said so. One that is down, frozen or without a leader then costs no request,
// wherever in the list it stands. If none says that it is well, all are used, and errors are theirs.
func (c *Call) connectWell(config *clientv3.Config) (*clientv3.Client, error) {
	all := config.Endpoints
	if len(all) < 2 {
		return c.Dial(config)
	}
	if well := probe(config); len(well) > 0 {
		config.Endpoints = well
	}
	client, err := c.Dial(config)
	if err == nil && len(config.Endpoints) < len(all) {
		c.widen = time.AfterFunc(widenAfter, func() { client.SetEndpoints(all...) })
	}
	return client, err
}

// probe asks all endpoints at once how they are. It does not wait for the slow once one is well.
func probe(config *clientv3.Config) (well []string) {
	ctx, cancel := context.WithTimeout(context.Background(), probeMax)
	defer cancel()
	type answer struct {
		endpoint string
		well     bool
	}
	answers := make(chan answer, len(config.Endpoints))
	for _, endpoint := range config.Endpoints {
		one := *config
		one.Endpoints, one.Username, one.Password, one.Logger = []string{endpoint}, "", "", zap.NewNop()
		go func() { answers <- answer{endpoint, isWell(ctx, endpoint, one)} }()
	}
	// Each answers when ctx ends, at the latest: nobody is left behind.
	for range config.Endpoints {
		a := <-answers
		if !a.well {
			continue
		}
		if well = append(well, a.endpoint); len(well) == 1 {
			time.AfterFunc(probeGrace, cancel)
		}
	}
	return well
}

// isWell tells whether an endpoint answers, and sees a leader as far as it says. Whoever may not ask is answered all the same.
func isWell(ctx context.Context, endpoint string, config clientv3.Config) bool {
	client, err := clientv3.New(config)
	if err != nil {
		return false
	}
	defer client.Close()
	status, err := client.Status(ctx, endpoint)
	if err != nil {
		return refusesStrangers(err)
	}
	return status.Leader != 0
}

// refusesStrangers tells an answer that only wants to know who asks.
func refusesStrangers(err error) bool {
	return errors.Is(err, rpctypes.ErrUserEmpty) || errors.Is(err, rpctypes.ErrInvalidAuthToken) || errors.Is(err, rpctypes.ErrPermissionDenied)
}

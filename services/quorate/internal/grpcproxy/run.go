package grpcproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/quoratedb/quorate/pkg/descriptors"
	"github.com/quoratedb/quorate/pkg/processmetrics"
	"github.com/quoratedb/quorate/services/api"
	"github.com/quoratedb/quorate/services/quorate/config"
	"github.com/quoratedb/quorate/services/quorate/internal/clients"
)

// Run serves until ctx ends or something fails. It calls ready, with the URLs, once clients are served.
func Run(ctx context.Context, o Options, log *slog.Logger, ready func(urls []string)) error {
	secrets, err := o.secrets(log)
	if err != nil {
		return err
	}
	to := api.Upstream{
		TLS: secrets, KeepAliveTime: o.DialKeepAliveTime, KeepAliveTimeout: o.DialKeepAliveTimeout, PermitWithoutStream: o.PermitWithoutStream,
		SendBytesMax: o.SendBytesMax, ReceiveBytesMax: o.ReceiveBytesMax, Namespace: o.Namespace, Ordered: o.Ordered,
	}
	if err := o.locate(ctx, &to, log); err != nil {
		return err
	}
	side, err := clients.Open(o.Serving, log)
	if err != nil {
		side.Close()
		return err
	}
	defer side.Close()
	budget, err := descriptors.Ours()
	if err != nil {
		log.Warn("cannot tell how many connections there may be", "error", err)
	}
	metrics := processmetrics.NewRegistry()
	monitor := side.Monitor(log, metrics, budget, true)
	serving := side.Config(o.Serving, log, metrics, budget)
	serving.Elsewhere = true
	serving.ClientCertAuth = false // users' certificates end here: who they are for, tokens say
	serving.SlowCalls = 0
	if o.LogRequests {
		serving.SlowCalls = 1 // every one is slower than that
	}
	known := o.known(log)
	to.ClientURLs = known.urls
	proxy, err := api.NewProxy(serving, to)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var running sync.WaitGroup
	running.Go(func() {
		if err := monitor.Run(ctx); err != nil {
			stop(fmt.Errorf("health and metrics: %w", err))
		}
	})
	running.Go(func() { known.run(ctx, proxy.Cluster()) })
	urls := config.URLTexts(side.Clients)
	log.Info("ready to serve client requests", "urls", urls, "endpoints", to.Endpoints)
	ready(urls)
	err = proxy.Run(ctx)
	stop(err)
	running.Wait()
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return err
}

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/quoratedb/quorate/pkg/logging"
	"github.com/quoratedb/quorate/pkg/signals"
	"github.com/quoratedb/quorate/services/quorate/internal/grpclogs"
	"github.com/quoratedb/quorate/services/quorate/internal/grpcproxy"
)

// runGRPCProxy is the grpc-proxy subcommand: it serves clients in front of a cluster.
func runGRPCProxy(args []string, stdout, stderr io.Writer) int {
	args, ok := startOf(args)
	if !ok {
		fmt.Fprintln(stderr, "quorate grpc-proxy: start is its only command; quorate grpc-proxy start --help lists its flags")
		return exitUsage
	}
	options, warnings, err := grpcproxy.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitCode(grpcproxy.WriteUsage(stdout))
	case err != nil:
		complain(stderr, fmt.Errorf("grpc-proxy: %w", err))
		fmt.Fprintln(stderr, "quorate grpc-proxy start --help lists all flags.")
		return exitUsage
	}
	if options.Serving.EnablePprof {
		runtime.MemProfileRate = memProfileRate
	}
	log, outputs, err := options.Serving.OpenLog()
	if err != nil {
		complain(stderr, err)
		return exitError
	}
	defer outputs.Close()
	logging.TakeStandard(log)
	grpclogs.Take(log)
	for _, warning := range warnings {
		log.Warn(warning)
	}
	ctx, release := signals.Context(log, outputs)
	defer release()
	defer governMemory()()
	if targets, err := targetsOf(options.Endpoints); err == nil && !strings.HasPrefix(options.ListenAddr, "unix") {
		if err := refuseItself(ctx, "proxy", options.ListenAddr, targets); err != nil {
			complain(stderr, fmt.Errorf("grpc-proxy: %w", err))
			return exitError
		}
	}
	err = grpcproxy.Run(ctx, options, log, func([]string) { tellManager(log, "READY=1") })
	if err != nil && ctx.Err() == nil {
		complain(stderr, fmt.Errorf("grpc-proxy: %w", err))
		return exitError
	}
	return exitOK
}

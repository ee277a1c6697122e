// Command quorate runs a store in one process. It takes etcd's flags, variables and file, and stops cleanly on SIGTERM
// and SIGINT; one that comes much later than the first ends it at once. SIGHUP has it open its log files anew.
// quorate health asks one that runs how it is, quorate gateway start forwards connections to the members of a cluster, and quorate grpc-proxy start
// serves clients in front of one.
//
// Its exit code is 0 after a clean stop, 2 for a command line that cannot be read, and 1 for everything else that is
// wrong.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/pkg/buildversion"
	"github.com/quoratedb/quorate/pkg/logging"
	"github.com/quoratedb/quorate/pkg/signals"
	"github.com/quoratedb/quorate/services/quorate"
	"github.com/quoratedb/quorate/services/quorate/commandline"
	"github.com/quoratedb/quorate/services/quorate/internal/grpclogs"
)

const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

func main() {
	os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

func run(args, environ []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "health" {
		return askHealth(args[1:], stdout, stderr)
	}
	if len(args) > 0 && args[0] == "gateway" {
		return runGateway(args[1:], stdout, stderr)
	}
	if len(args) > 0 && args[0] == "grpc-proxy" {
		return runGRPCProxy(args[1:], stdout, stderr)
	}
	invocation, err := commandline.Parse(args, environ)
	switch {
	case errors.Is(err, commandline.ErrUsage):
		complain(stderr, err)
		fmt.Fprintln(stderr, "quorate --help-all lists all flags.")
		return exitUsage
	case err != nil:
		complain(stderr, err)
		return exitError
	case invocation.HelpAll:
		return exitCode(commandline.WriteUsage(stdout))
	case invocation.Help:
		return exitCode(commandline.WriteHelp(stdout))
	case invocation.Version:
		return exitCode(writeVersion(stdout))
	}
	config := invocation.Config
	if config.EnablePprof {
		runtime.MemProfileRate = memProfileRate
	}
	log, outputs, err := config.OpenLog()
	if err != nil {
		complain(stderr, err)
		return exitError
	}
	config.Log, config.Version = log, buildversion.Of(version)
	logging.TakeStandard(log)
	grpclogs.Take(log)
	log.Info("quorate", "version", config.Version, "go-version", runtime.Version(), "platform", runtime.GOOS+"/"+runtime.GOARCH, "max-cpus", runtime.GOMAXPROCS(0))
	for _, warning := range invocation.Warnings {
		log.Warn(warning)
	}
	ready := func(*quorate.Server) {}
	if onTerminal(stderr) {
		ready = func(server *quorate.Server) { greet(stderr, config, server.ClientURLs()) }
	}
	code := exitCode(serve(config, log, outputs, ready))
	if err := outputs.Close(); err != nil {
		complain(stderr, err)
		return exitError
	}
	return code
}

// serve runs the store until a signal or a failure, which it has logged. It calls ready once clients are served.
func serve(config quorate.Config, log *slog.Logger, outputs *logging.Outputs, ready func(*quorate.Server)) error {
	ctx, release := signals.Context(log, outputs)
	defer release()
	stopGoverning := governMemory()
	defer stopGoverning()
	server, err := quorate.Start(ctx, config)
	switch {
	case err != nil && ctx.Err() != nil:
		log.Info("stopped by a signal before it was ready")
		return nil
	case err != nil:
		log.Error("cannot start", "error", err)
		return err
	}
	if err := budget.ReleaseProgram(); err != nil {
		log.Debug("what only the start has needed stays in memory", "error", err)
	}
	tellManager(log, "READY=1")
	ready(server)
	select {
	case <-ctx.Done():
		tellManager(log, "STOPPING=1")
	case <-server.Done():
	}
	if err := server.Close(); err != nil {
		log.Error("stopped by a failure", "error", err)
		return err
	}
	return nil
}

// The runtime would note where a part of all memory was allocated, for profiles that nobody can ask for without --enable-pprof: 1.5 MB.
func init() { runtime.MemProfileRate = 0 }

// memProfileRate is the runtime's own: one allocation in so many bytes.
const memProfileRate = 512 << 10

// governMemory keeps the heap's garbage within its budget until the returned function is called.
func governMemory() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		budget.Govern(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func tellManager(log *slog.Logger, state string) {
	if err := notify(state); err != nil {
		log.Warn("cannot tell the service manager", "state", state, "error", err)
	}
}

// complain prints every problem of an error on a line of its own.
func complain(w io.Writer, err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(w, "quorate:", line)
	}
}

func exitCode(err error) int {
	if err != nil {
		return exitError
	}
	return exitOK
}

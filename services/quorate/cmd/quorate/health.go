package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/quoratedb/quorate/pkg/healthcheck"
)

const (
	// healthURL is what the health subcommand asks by default: a member on this host with its usual port.
	healthURL = "http://127.0.0.1:2379/readyz"
	// healthWithin bounds the question.
	healthWithin = 10 * time.Second
)

// askHealth is the health subcommand: it asks a member how it is and exits with 0 if all is well. Images hold nothing else that could ask.
func askHealth(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("quorate health", flag.ContinueOnError)
	flags.SetOutput(stderr)
	url := flags.String("url", healthURL, "What to ask.")
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "quorate health: %q is more than --url\n", flags.Arg(0))
		return exitUsage
	}
	ctx, cancel := context.WithTimeout(context.Background(), healthWithin)
	defer cancel()
	if err := healthcheck.Ask(ctx, *url, stdout); err != nil {
		complain(stderr, fmt.Errorf("health: %w", err))
		return exitError
	}
	return exitOK
}

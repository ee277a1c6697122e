package main

import (
	"context"
	"flag"
	"io"
	"time"

	"github.com/quoratedb/quorate/pkg/healthcheck"
)

// healthWithin is less than the time that the runner of a health check allows.
const healthWithin = 3 * time.Second

func health(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("health", flag.ContinueOnError)
	url := flags.String("url", "", "")
	if err := parse(flags, args, "url"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), healthWithin)
	defer cancel()
	return healthcheck.Ask(ctx, *url, out)
}

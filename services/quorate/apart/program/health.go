package program

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/quoratedb/quorate/pkg/healthcheck"
)

// askTimeout bounds the health subcommand.
const askTimeout = 10 * time.Second

// askHealth is the health subcommand: it asks a URL and exits with 0 if the answer is that all is well.
func askHealth(p Program, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet(p.Name+" health", flag.ContinueOnError)
	flags.SetOutput(stderr)
	url := flags.String("url", "", "What to ask, such as http://127.0.0.1:9090/readyz.")
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}
	if *url == "" || flags.NArg() > 0 {
		fmt.Fprintf(stderr, "%s health: --url is needed, and nothing else\n", p.Name)
		return exitUsage
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	if err := healthcheck.Ask(ctx, *url, stdout); err != nil {
		p.complain(stderr, fmt.Errorf("health: %w", err))
		return exitError
	}
	return exitOK
}

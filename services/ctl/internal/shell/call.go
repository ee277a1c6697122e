package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/paint"
)

// Call is one run of a command. It is the command's goroutine's alone, but for Print.
type Call struct {
	Command *cobra.Command
	Args    []string
	Shell   *Shell

	settled bool
	printer *output.Printer
	reasons reasons
	config  *clientv3.Config
	client  *clientv3.Client   // of the store that the flags name
	clients []*clientv3.Client // all of them
	widen   *time.Timer        // see connectWell
}

// Settle reads the variables and the global flags. Connecting does it, too: a command calls it where it needs what they
// say before.
func (c *Call) Settle() error {
	if c.settled {
		return nil
	}
	s := c.Shell
	flags := c.Command.InheritedFlags()
	if s.flags.v2.form {
		return c.settleV2(flags)
	}
	if err := newEnvironment(s.Environ).apply(flags, s.Stderr); err != nil {
		return err
	}
	printer, err := output.NewPrinter(s.flags.format, s.flags.hex, s.Stdout)
	if err != nil {
		return exit.With(exit.Feature, err)
	}
	c.printer = printer
	logLibraries(s.flags.debug, s.Stderr)
	if s.flags.debug {
		flags.VisitAll(func(flag *pflag.Flag) {
			fmt.Fprintf(s.Stderr, "%s%s=%v\n", etcdPrefix, variable(flag.Name), flag.Value)
		})
	}
	c.settled = true
	return nil
}

// Connect is the client of the store that the flags name, the same at each call. It connects while the first request waits,
// and is closed when the command ends.
func (c *Call) Connect() (*clientv3.Client, error) {
	if c.client != nil {
		return c.client, nil
	}
	config, err := c.Config()
	if err != nil {
		return nil, err
	}
	c.client, err = c.connectWell(config)
	return c.client, err
}

// Dial makes a client of its own configuration, which is closed when the command ends.
func (c *Call) Dial(config *clientv3.Config) (*clientv3.Client, error) {
	client, err := clientv3.New(*config)
	if err != nil {
		return nil, exit.With(exit.Connection, c.Explain(err))
	}
	c.clients = append(c.clients, client)
	return client, nil
}

// Timeout is a context that ends when a request has taken as long as it may, --command-timeout.
func (c *Call) Timeout() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), c.Shell.flags.commandTimeout)
}

// CommandTimeout is how long a request may take, --command-timeout.
func (c *Call) CommandTimeout() time.Duration { return c.Shell.flags.commandTimeout }

// Interrupted is a context that ends when the process is told to end, by SIGINT or SIGTERM, which then does not end it.
func (c *Call) Interrupted() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
}

// Ask connects and does one request within --command-timeout. Its error is the request's, with the exit code of failures.
func Ask[R any](c *Call, request func(context.Context, *clientv3.Client) (R, error)) (R, error) {
	return AskOr(c, exit.Failure, request)
}

// AskOr is Ask with another exit code for a request that fails.
func AskOr[R any](c *Call, code int, request func(context.Context, *clientv3.Client) (R, error)) (R, error) {
	var none R
	client, err := c.Connect()
	if err != nil {
		return none, err
	}
	ctx, cancel := c.Timeout()
	defer cancel()
	answer, err := request(ctx, client)
	if err != nil {
		return none, exit.With(code, c.Explain(err))
	}
	return answer, nil
}

// Explain adds to an error that says nothing but that time ran out, or that nobody was reached, what the last attempt failed for.
func (c *Call) Explain(err error) error { return c.reasons.explain(err, c.Shell.flags.endpoints) }

// Print prints an answer in the format that was asked for; there may be none for it, which is an error.
func (c *Call) Print(answer output.Answer) error {
	err := c.printer.Print(answer)
	if errors.Is(err, output.ErrFormat) {
		return exit.With(exit.Feature, err)
	}
	return exit.With(exit.IO, err)
}

// Paint has the colours of what goes to the standard output.
func (c *Call) Paint() paint.Paint {
	env := newEnvironment(c.Shell.Environ)
	return paint.New(c.Shell.Stdout, func(name string) string { return env[name] })
}

// Format is the format that was asked for.
func (c *Call) Format() string { return c.Shell.flags.format }

// Printf writes what is the same in every format.
func (c *Call) Printf(format string, args ...any) {
	fmt.Fprintf(c.Shell.Stdout, format, args...)
}

// Println writes a line that is the same in every format.
func (c *Call) Println(args ...any) {
	fmt.Fprintln(c.Shell.Stdout, args...)
}

// Variable is the value of QUORATECTL_name or ETCDCTL_name.
func (c *Call) Variable(name string) string { return c.Shell.Variable(name) }

// Lines reads the standard input line by line.
func (c *Call) Lines() *bufio.Reader { return bufio.NewReader(c.Shell.Stdin) }

func (c *Call) close() {
	if c.widen != nil {
		c.widen.Stop()
	}
	for _, client := range c.clients {
		_ = client.Close() // its context's end is all that it can say
	}
}

package v2

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	client "go.etcd.io/etcd/client/v2"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

const (
	// healthPeriod is how often cluster-health --forever asks.
	healthPeriod = 10 * time.Second
	// healthBytesMax is more than any answer about health has.
	healthBytesMax = 1 << 16
)

func newClusterHealth(s *shell.Shell) *cobra.Command {
	var forever bool
	cmd := &cobra.Command{
		Use:   "cluster-health",
		Short: "Ask each member whether it is healthy",
		Long:  "Ask each member, at the URLs that it says are its own, whether it is healthy. The exit code is 5 unless all are.",
		RunE: s.Run(func(call *shell.Call) error {
			config, err := call.V2()
			if err != nil {
				return err
			}
			c, err := dial(call, config)
			if err != nil {
				return err
			}
			ctx, stop := call.Interrupted()
			defer stop()
			within, cancel := context.WithTimeout(ctx, c.timeout)
			members, err := client.NewMembersAPI(c).List(within)
			cancel()
			if err != nil {
				call.Println("cluster may be unhealthy: failed to list members")
				return fail(call, exit.Feature, err)
			}
			for {
				healthy := printHealth(ctx, call, c, members)
				switch {
				case ctx.Err() != nil:
					return nil
				case forever:
				case healthy:
					return nil
				default:
					return exit.Silently(exit.Interrupted)
				}
				call.Printf("\nnext check after 10 second...\n\n")
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(healthPeriod):
				}
			}
		}),
	}
	cmd.Flags().BoolVarP(&forever, "forever", "f", false, "ask again every 10 seconds, until the command is interrupted")
	return cmd
}

// printHealth asks all members, prints what they say, and reports whether all are healthy.
func printHealth(ctx context.Context, call *shell.Call, c *connection, members []client.Member) bool {
	healthy := 0
	for _, member := range members {
		if len(member.ClientURLs) == 0 {
			call.Printf("member %s is unreachable: no available published client urls\n", member.ID)
			continue
		}
		if printMemberHealth(ctx, call, c, &member) {
			healthy++
		}
	}
	switch healthy {
	case len(members):
		call.Println("cluster is healthy")
	case 0:
		call.Println("cluster is unavailable")
	default:
		call.Println("cluster is degraded")
	}
	return healthy == len(members)
}

// printMemberHealth asks one member, at its URLs until one answers.
func printMemberHealth(ctx context.Context, call *shell.Call, c *connection, member *client.Member) bool {
	for _, url := range member.ClientURLs {
		healthy, err := askHealth(ctx, c, url)
		switch {
		case err != nil:
			call.Printf("failed to check the health of member %s on %s: %v\n", member.ID, url, err)
			continue
		case healthy:
			call.Printf("member %s is healthy: got healthy result from %s\n", member.ID, url)
		default:
			call.Printf("member %s is unhealthy: got unhealthy result from %s\n", member.ID, url)
		}
		return healthy
	}
	call.Printf("member %s is unreachable: %v are all unreachable\n", member.ID, member.ClientURLs)
	return false
}

// askHealth asks at one URL. Old members answer with a boolean, all others with a string.
func askHealth(ctx context.Context, c *connection, url string) (bool, error) {
	within, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(within, http.MethodGet, url+"/health", nil)
	if err != nil {
		return false, err
	}
	answer, err := (&http.Client{Transport: c.transport}).Do(request)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	var said struct{ Health any }
	if err := json.NewDecoder(io.LimitReader(answer.Body, healthBytesMax)).Decode(&said); err != nil {
		return false, err
	}
	return said.Health == true || said.Health == "true", nil
}

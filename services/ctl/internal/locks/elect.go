package locks

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

func newElect(s *shell.Shell) *cobra.Command {
	var listen bool
	cmd := &cobra.Command{
		Use:   "elect <election-name> [proposal]",
		Short: "Stand in an election until it is won, or follow who wins it",
		RunE: s.Run(func(call *shell.Call) error {
			switch args := len(call.Args); {
			case args != 1 && args != 2:
				return exit.Withf(exit.Arguments, "elect needs the election's name, and takes a proposal after it")
			case args == 1 && !listen:
				return exit.Withf(exit.Arguments, "no proposal argument but -l not set: give a proposal to stand, or -l to follow")
			case args == 2 && listen:
				return exit.Withf(exit.Arguments, "proposal given but -l is set: who follows does not stand")
			}
			client, err := call.Connect()
			if err != nil {
				return err
			}
			session, err := concurrency.NewSession(client)
			if err != nil {
				return exit.With(exit.Failure, err)
			}
			election := concurrency.NewElection(session, call.Args[0])
			interrupted, stop := call.Interrupted()
			defer stop()
			if listen {
				return exit.With(exit.Failure, observe(interrupted, call, election))
			}
			return exit.With(exit.Failure, campaign(interrupted, call, client, session, election))
		}),
	}
	cmd.Flags().BoolVarP(&listen, "listen", "l", false, "print who wins, again and again, without standing")
	return cmd
}

// observe prints who wins until the process is interrupted.
func observe(interrupted context.Context, call *shell.Call, election *concurrency.Election) error {
	for winner := range election.Observe(interrupted) {
		if err := call.Print(output.Get(winner, false)); err != nil {
			return err
		}
	}
	if interrupted.Err() == nil {
		return errors.New("elect: observer lost")
	}
	return nil
}

// campaign stands until it wins, and resigns when the process is interrupted.
func campaign(interrupted context.Context, call *shell.Call, client *clientv3.Client, session *concurrency.Session, election *concurrency.Election) error {
	if err := election.Campaign(interrupted, call.Args[1]); err != nil {
		return err
	}
	if err := printKey(interrupted, call, client, election.Key()); err != nil {
		return err
	}
	select {
	case <-interrupted.Done():
		return election.Resign(client.Ctx())
	case <-session.Done():
		return errors.New("elect: session expired")
	}
}

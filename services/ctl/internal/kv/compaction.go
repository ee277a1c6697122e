package kv

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

func newCompaction(s *shell.Shell) *cobra.Command {
	var physical bool
	cmd := &cobra.Command{
		Use:   "compaction [options] <revision>",
		Short: "Forget what keys were before a revision",
		RunE: s.Run(func(call *shell.Call) error {
			if len(call.Args) != 1 {
				return exit.Withf(exit.Arguments, "compaction needs one argument, the revision")
			}
			revision, err := strconv.ParseInt(call.Args[0], 10, 64)
			if err != nil {
				return exit.With(exit.Failure, err)
			}
			var options []clientv3.CompactOption
			if physical {
				options = append(options, clientv3.WithCompactPhysical())
			}
			_, err = shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.CompactResponse, error) {
				return client.Compact(ctx, revision, options...)
			})
			if err != nil {
				return err
			}
			call.Println("compacted revision", revision)
			return nil
		}),
	}
	cmd.Flags().BoolVar(&physical, "physical", false, "return only when the old revisions are gone from the disk")
	return cmd
}

// Package quota holds the commands about quotas by prefix. They ask quorate.v1.QuotaService, which etcd has not.
package quota

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// New is the command quota with the ones below it.
func New(s *shell.Shell) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quota <subcommand>",
		Short: "Set and show how many keys, and bytes of them, may stand below a prefix",
		Long: `Set and show quotas by prefix: how many keys, and bytes of keys and values, may stand below a prefix. With authentication enabled that is for root.

A soft limit warns in the server's log, a hard one refuses what would lead beyond it. An empty prefix, "", is all keys.`,
	}
	cmd.AddCommand(newSet(s), newGet(s), newList(s), newDelete(s))
	return cmd
}

func newSet(s *shell.Shell) *cobra.Command {
	limits := &quoratev1.QuotaLimits{}
	var softBytes, hardBytes string
	cmd := &cobra.Command{
		Use:   "set [options] <prefix>",
		Short: "Set the quota of a prefix, all of its limits at once",
		Args:  cobra.ExactArgs(1),
		RunE: s.Run(func(call *shell.Call) (err error) {
			if limits.SoftBytes, err = parseBytes("soft-bytes", softBytes); err != nil {
				return err
			}
			if limits.HardBytes, err = parseBytes("hard-bytes", hardBytes); err != nil {
				return err
			}
			request := &quoratev1.QuotaSetRequest{Prefix: []byte(call.Args[0]), Limits: limits}
			set, err := shell.AskOwn[quoratev1.QuotaSetResponse](call, "/quorate.v1.QuotaService/QuotaSet", request)
			if err != nil {
				return err
			}
			return show(call, []*quoratev1.Quota{set.GetQuota()})
		}),
	}
	flags := cmd.Flags()
	flags.Int64Var(&limits.SoftKeys, "soft-keys", 0, "warn beyond this many keys (0: never)")
	flags.Int64Var(&limits.HardKeys, "hard-keys", 0, "refuse beyond this many keys (0: never)")
	flags.StringVar(&softBytes, "soft-bytes", "0", "warn beyond this many bytes of keys and values, such as 10MiB (0: never)")
	flags.StringVar(&hardBytes, "hard-bytes", "0", "refuse beyond this many bytes of keys and values, such as 10MiB (0: never)")
	return cmd
}

func parseBytes(flag, text string) (int64, error) {
	n, err := humanize.ParseBytes(text)
	if err != nil || n > 1<<62 {
		return 0, exit.Withf(exit.Arguments, "--%s is %q: it takes a number of bytes, such as 1048576, 10MB or 10MiB", flag, text)
	}
	return int64(n), nil
}

func newGet(s *shell.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "get <prefix>",
		Short: "Show the quota of a prefix, and what is in use of it",
		Args:  cobra.ExactArgs(1),
		RunE: s.Run(func(call *shell.Call) error {
			all, err := list(call)
			if err != nil {
				return err
			}
			for _, quota := range all {
				if string(quota.GetPrefix()) == call.Args[0] {
					return show(call, []*quoratev1.Quota{quota})
				}
			}
			return exit.Withf(exit.Failure, "there is no quota of the prefix %q: \"quota list\" shows those there are", call.Args[0])
		}),
	}
}

func newList(s *shell.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Show all quotas, and what is in use of them",
		Args:  cobra.NoArgs,
		RunE: s.Run(func(call *shell.Call) error {
			all, err := list(call)
			if err != nil {
				return err
			}
			return show(call, all)
		}),
	}
}

func list(call *shell.Call) ([]*quoratev1.Quota, error) {
	all, err := shell.AskOwn[quoratev1.QuotaListResponse](call, "/quorate.v1.QuotaService/QuotaList", &quoratev1.QuotaListRequest{})
	return all.GetQuotas(), err
}

func newDelete(s *shell.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "delete <prefix>",
		Short: "Delete the quota of a prefix, none of its keys",
		Args:  cobra.ExactArgs(1),
		RunE: s.Run(func(call *shell.Call) error {
			request := &quoratev1.QuotaDeleteRequest{Prefix: []byte(call.Args[0])}
			if _, err := shell.AskOwn[quoratev1.QuotaDeleteResponse](call, "/quorate.v1.QuotaService/QuotaDelete", request); err != nil {
				return err
			}
			call.Printf("Quota of %q deleted\n", call.Args[0])
			return nil
		}),
	}
}

// show prints quotas: what is in use, of which limits, and whether that is beyond one.
func show(call *shell.Call, all []*quoratev1.Quota) error {
	p := call.Paint()
	var rows [][]string
	for _, quota := range all {
		rows = append(rows, []string{
			strconv.Quote(string(quota.GetPrefix())),
			use(quota, quota.GetKeys(), quota.GetLimits().GetSoftKeys(), quota.GetLimits().GetHardKeys(), humanize.Comma),
			use(quota, quota.GetBytes(), quota.GetLimits().GetSoftBytes(), quota.GetLimits().GetHardBytes(), func(n int64) string { return humanize.IBytes(uint64(n)) }),
			standing(quota),
		})
	}
	return call.Print(output.Answer{
		JSON:    &quoratev1.QuotaListResponse{Quotas: all},
		Message: &quoratev1.QuotaListResponse{Quotas: all},
		Simple: func(t *output.Text) {
			for _, row := range rows {
				row[3] = map[string]func(string) string{"within its limits": p.Green, "counting": p.Dim, "beyond a soft limit": p.Yellow, "beyond a hard limit": p.Red}[row[3]](row[3])
				t.Linef("%s  keys %s  bytes %s  %s", row[0], row[1], row[2], row[3])
			}
		},
		Table: func() output.Rows {
			return output.Rows{Header: []string{"prefix", "keys", "bytes", "standing"}, Rows: rows}
		},
	})
}

// use is what is in use, with the limits that there are.
func use(quota *quoratev1.Quota, used, soft, hard int64, format func(int64) string) string {
	text := "?"
	if !quota.GetCounting() {
		text = format(used)
	}
	var limits []string
	if soft > 0 {
		limits = append(limits, "soft "+format(soft))
	}
	if hard > 0 {
		limits = append(limits, "hard "+format(hard))
	}
	if len(limits) == 0 {
		return text
	}
	return fmt.Sprintf("%s (%s)", text, strings.Join(limits, ", "))
}

func standing(quota *quoratev1.Quota) string {
	switch {
	case quota.GetCounting():
		return "counting"
	case quota.GetHardExceeded():
		return "beyond a hard limit"
	case quota.GetSoftExceeded():
		return "beyond a soft limit"
	}
	return "within its limits"
}

package kv

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// getFlags say what a get reads, and in which order.
type getFlags struct {
	consistency string
	order       string
	target      string
	limit       int64
	prefix      bool
	fromKey     bool
	revision    int64
	keysOnly    bool
	countOnly   bool
	valuesOnly  bool
	stream      bool

	minCreate, maxCreate int64
	minMod, maxMod       int64
}

var sortOrders = map[string]clientv3.SortOrder{
	"":        clientv3.SortNone,
	"ASCEND":  clientv3.SortAscend,
	"DESCEND": clientv3.SortDescend,
}

var sortTargets = map[string]clientv3.SortTarget{
	"":        clientv3.SortByKey,
	"KEY":     clientv3.SortByKey,
	"CREATE":  clientv3.SortByCreateRevision,
	"MODIFY":  clientv3.SortByModRevision,
	"VALUE":   clientv3.SortByValue,
	"VERSION": clientv3.SortByVersion,
}

func newGet(s *shell.Shell) *cobra.Command {
	var f getFlags
	cmd := &cobra.Command{
		Use:               "get [options] <key> [range_end]",
		Short:             "Print a key, or the keys of a range, with their values",
		ValidArgsFunction: s.CompleteKeys,
		RunE:              s.Run(f.run),
	}
	f.register(cmd.Flags())
	complete(cmd, "consistency", "l", "s")
	complete(cmd, "order", "ASCEND", "DESCEND")
	complete(cmd, "sort-by", "CREATE", "KEY", "MODIFY", "VALUE", "VERSION")
	return cmd
}

func (f *getFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.consistency, "consistency", "l", "l (linearizable: the newest that was acknowledged) or s (serializable: what the member has, even without a leader)")
	flags.StringVar(&f.order, "order", "", "ASCEND or DESCEND (by default the order of keys)")
	flags.StringVar(&f.target, "sort-by", "", "what is sorted by: CREATE, KEY, MODIFY, VALUE or VERSION")
	flags.Int64Var(&f.limit, "limit", 0, "print this many at the most (0: all)")
	flags.BoolVar(&f.prefix, "prefix", false, "all keys that begin with the given one")
	flags.BoolVar(&f.fromKey, "from-key", false, "all keys from the given one on, in the order of bytes")
	flags.Int64Var(&f.revision, "rev", 0, "as of this revision (0: the current one)")
	flags.BoolVar(&f.keysOnly, "keys-only", false, "leave the values out")
	flags.BoolVar(&f.countOnly, "count-only", false, "only how many there are (with --write-out=fields)")
	flags.BoolVar(&f.valuesOnly, "print-value-only", false, "leave the keys out (with --write-out=simple)")
	flags.Int64Var(&f.minCreate, "min-create-rev", 0, "only keys created at this revision or later")
	flags.Int64Var(&f.maxCreate, "max-create-rev", 0, "only keys created at this revision or earlier")
	flags.Int64Var(&f.minMod, "min-mod-rev", 0, "only keys last written at this revision or later")
	flags.Int64Var(&f.maxMod, "max-mod-rev", 0, "only keys last written at this revision or earlier")
	flags.BoolVar(&f.stream, "stream", false, "have the answer sent in pieces (RangeStream)")
}

func (f *getFlags) run(call *shell.Call) error {
	key, options, err := f.operation(call.Args)
	if err != nil {
		return err
	}
	answer, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.GetResponse, error) {
		if !f.stream {
			return client.Get(ctx, key, options...)
		}
		parts, err := client.GetStream(ctx, key, options...)
		if err != nil {
			return nil, err
		}
		return clientv3.GetStreamToGetResponse(parts)
	})
	switch {
	case err != nil:
		return err
	case f.countOnly && call.Format() != output.Fields:
		return exit.With(exit.Arguments, errors.New("--count-only is only for `--write-out=fields`"))
	case f.valuesOnly && call.Format() != output.Simple:
		return exit.With(exit.Arguments, errors.New("print-value-only is only for `--write-out=simple`"))
	}
	return call.Print(output.Get(answer, f.valuesOnly))
}

// operation makes a range of the arguments and flags.
func (f *getFlags) operation(args []string) (key string, options []clientv3.OpOption, err error) {
	switch {
	case len(args) == 0:
		return "", nil, exit.Withf(exit.Arguments, "get needs a key, and takes the end of a range after it")
	case f.keysOnly && f.countOnly:
		return "", nil, exit.Withf(exit.Arguments, "--keys-only and --count-only exclude each other")
	}
	span, key, err := keyRange("get", args, f.prefix, f.fromKey)
	if err != nil {
		return "", nil, err
	}
	options = append(options, span...)
	serializable, err := shell.Serializable(f.consistency)
	if err != nil {
		return "", nil, err
	}
	if serializable {
		options = append(options, clientv3.WithSerializable())
	}
	order, known := sortOrders[strings.ToUpper(f.order)]
	if !known {
		return "", nil, exit.Withf(exit.Feature, "bad sort order %q: --order takes ASCEND or DESCEND", f.order)
	}
	target, known := sortTargets[strings.ToUpper(f.target)]
	if !known {
		return "", nil, exit.Withf(exit.Feature, "bad sort target %q: --sort-by takes CREATE, KEY, MODIFY, VALUE or VERSION", f.target)
	}
	options = append(options, clientv3.WithLimit(f.limit), clientv3.WithSort(target, order))
	if f.revision > 0 {
		options = append(options, clientv3.WithRev(f.revision))
	}
	if f.keysOnly {
		options = append(options, clientv3.WithKeysOnly())
	}
	if f.countOnly {
		options = append(options, clientv3.WithCountOnly())
	}
	bounds, err := f.bounds()
	return key, append(options, bounds...), err
}

// bounds are the revisions between which keys must have been created and written.
func (f *getFlags) bounds() (options []clientv3.OpOption, err error) {
	if f.maxCreate > 0 && f.minCreate > f.maxCreate {
		return nil, exit.Withf(exit.Feature, "--min-create-rev=%d is beyond --max-create-rev=%d: no key can match", f.minCreate, f.maxCreate)
	}
	if f.maxMod > 0 && f.minMod > f.maxMod {
		return nil, exit.Withf(exit.Feature, "--min-mod-rev=%d is beyond --max-mod-rev=%d: no key can match", f.minMod, f.maxMod)
	}
	for _, bound := range []struct {
		revision int64
		option   func(int64) clientv3.OpOption
	}{
		{f.minCreate, clientv3.WithMinCreateRev},
		{f.maxCreate, clientv3.WithMaxCreateRev},
		{f.minMod, clientv3.WithMinModRev},
		{f.maxMod, clientv3.WithMaxModRev},
	} {
		if bound.revision > 0 {
			options = append(options, bound.option(bound.revision))
		}
	}
	return options, nil
}

package inspect

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/paint"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// levelMax is how many children the service lists at a time.
const levelMax = 10_000

// treeFlags say how much of a tree is shown.
type treeFlags struct {
	separator string
	depth     int
	limit     int64
	revision  int64
	noSizes   bool
}

func newTree(s *shell.Shell) *cobra.Command {
	f := treeFlags{}
	cmd := &cobra.Command{
		Use:   "tree [options] [prefix]",
		Short: "Show the keys below a prefix as a tree, with how many there are and their bytes",
		Long: `Show the keys below a prefix as a tree of the parts that a separator cuts them into, with how many keys and bytes of keys and values are below each.

All levels are of one revision. The server passes over what is below a part in one step, so that a part with a million keys costs no more than one with two;
bytes are added up over a hundred thousand keys at the most, and "≥" says that there may be more.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: s.CompleteKeys,
		RunE:              s.Run(f.run),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.separator, "separator", "/", "what keys are cut at")
	flags.IntVar(&f.depth, "depth", 2, "show this many levels (0: all)")
	flags.Int64Var(&f.limit, "limit", 50, "show this many on each level at the most (0: all)")
	flags.Int64Var(&f.revision, "rev", 0, "as of this revision (0: the current one)")
	flags.BoolVar(&f.noSizes, "no-sizes", false, "leave out how many bytes there are, which have to be read")
	return cmd
}

// node is a part of the tree, as JSON has it.
type node struct {
	Name         []byte  `json:"name"`
	Folder       bool    `json:"folder,omitempty"`
	Keys         int64   `json:"keys"`
	KeysAtLeast  bool    `json:"keys_at_least,omitempty"`
	Bytes        int64   `json:"bytes,omitempty"`
	BytesAtLeast bool    `json:"bytes_at_least,omitempty"`
	ModRevision  int64   `json:"mod_revision,omitempty"`
	Version      int64   `json:"version,omitempty"`
	Lease        int64   `json:"lease,omitempty"`
	Children     []*node `json:"children,omitempty"`
	// More says that there are children that are not shown.
	More bool `json:"more,omitempty"`
}

func (f *treeFlags) run(call *shell.Call) error {
	if f.depth < 0 || f.limit < 0 || f.revision < 0 {
		return exit.Withf(exit.Arguments, "--depth, --limit and --rev are not below 0")
	}
	if f.limit > levelMax {
		return exit.Withf(exit.Arguments, "--limit is %d at the most; 0 shows all", levelMax)
	}
	root := &node{Folder: true}
	if len(call.Args) > 0 {
		root.Name = []byte(call.Args[0])
	}
	client, err := call.Connect()
	if err != nil {
		return err
	}
	if err := f.grow(call, client, root, 1); err != nil {
		return exit.With(exit.Code(err), call.Explain(err))
	}
	if err := f.sum(call, client, root); err != nil {
		return exit.With(exit.Failure, call.Explain(err))
	}
	p := call.Paint()
	return call.Print(output.Answer{JSON: root, Simple: func(t *output.Text) {
		t.Linef("%s", f.line(root, nil, p))
		f.print(t, root, "", p)
	}})
}

// grow asks for the children of a node, and for theirs.
func (f *treeFlags) grow(call *shell.Call, client *clientv3.Client, of *node, level int) error {
	request := &quoratev1.ChildrenRequest{
		Prefix: of.Name, Delimiter: []byte(f.separator), Limit: f.limit, Revision: f.revision, Count: true, Size: !f.noSizes,
	}
	for {
		page, err := f.page(call, client, request)
		if err != nil {
			return err
		}
		f.revision = page.GetRevision() // every level is of the first one's
		for _, child := range page.GetChildren() {
			of.Children = append(of.Children, &node{
				Name: child.GetName(), Folder: child.GetFolded(), Keys: child.GetKeys(), KeysAtLeast: child.GetKeysAtLeast(),
				Bytes: child.GetBytes(), BytesAtLeast: child.GetBytesAtLeast(),
				ModRevision: child.GetModRevision(), Version: child.GetVersion(), Lease: child.GetLease(),
			})
		}
		if of.More = page.GetMore() && f.limit > 0; of.More || !page.GetMore() {
			break
		}
		request.Revision, request.After = f.revision, of.Children[len(of.Children)-1].Name
	}
	if level == f.depth {
		return nil
	}
	for _, child := range of.Children {
		if child.Folder {
			if err := f.grow(call, client, child, level+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *treeFlags) page(call *shell.Call, client *clientv3.Client, request *quoratev1.ChildrenRequest) (*quoratev1.ChildrenResponse, error) {
	ctx, cancel := call.Timeout()
	defer cancel()
	page := &quoratev1.ChildrenResponse{}
	return page, call.Invoke(ctx, client, childrenMethod, request, page)
}

// sum adds up what is below the root, of which nobody has told. Where it has children that are not shown its keys are counted.
func (f *treeFlags) sum(call *shell.Call, client *clientv3.Client, root *node) error {
	for _, child := range root.Children {
		root.Keys += child.Keys
		root.Bytes += child.Bytes
		root.KeysAtLeast = root.KeysAtLeast || child.KeysAtLeast
		root.BytesAtLeast = root.BytesAtLeast || child.BytesAtLeast
	}
	if !root.More {
		return nil
	}
	root.BytesAtLeast = true
	ctx, cancel := call.Timeout()
	defer cancel()
	options := []clientv3.OpOption{clientv3.WithPrefix(), clientv3.WithCountOnly(), clientv3.WithRev(f.revision)}
	all, err := client.Get(ctx, string(root.Name), options...)
	if err != nil {
		return err
	}
	root.Keys, root.KeysAtLeast = all.Count, false
	return nil
}

// line is a node as a line shows it. below is the name of the node that it is below.
func (f *treeFlags) line(of *node, below []byte, p paint.Paint) string {
	name := nameOf(bytes.TrimPrefix(of.Name, below))
	if below == nil && len(of.Name) == 0 {
		name = "(all keys)"
	}
	var facts []string
	if of.Folder {
		name = p.Blue(name)
		facts = append(facts, atLeast(keysOf(of.Keys), of.KeysAtLeast))
	} else {
		facts = append(facts, "rev "+strconv.FormatInt(of.ModRevision, 10))
	}
	if !of.Folder || !f.noSizes {
		facts = append(facts, atLeast(bytesOf(of.Bytes), of.BytesAtLeast))
	}
	if of.Lease != 0 {
		facts = append(facts, fmt.Sprintf("lease %016x", of.Lease))
	}
	return name + "  " + p.Dim("("+strings.Join(facts, ", ")+")")
}

func (f *treeFlags) print(t *output.Text, of *node, indent string, p paint.Paint) {
	for i, child := range of.Children {
		branch, rest := "├── ", "│   "
		if i == len(of.Children)-1 && !of.More {
			branch, rest = "└── ", "    "
		}
		name := of.Name
		if name == nil {
			name = []byte{}
		}
		t.Linef("%s%s%s", p.Dim(indent), p.Dim(branch), f.line(child, name, p))
		f.print(t, child, indent+rest, p)
	}
	if of.More {
		t.Linef("%s%s", p.Dim(indent+"└── "), p.Dim("... more: --limit=0 shows all"))
	}
}

// quote is a key with what is no printable text escaped.
func quote(key []byte) string {
	quoted := strconv.Quote(string(key))
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

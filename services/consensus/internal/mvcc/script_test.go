package mvcc

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// The scripts in testdata tell what commands and reads do, line by line, and what rows they leave: the trace is the
// specification. Commands and reads are messages in text form. Run with -rewrite to record what has changed.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		fs := vfs.NewMem()
		s, err := Open(Config{Dir: "state", FS: fs})
		require.NoError(t, err)
		index := uint64(0)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out strings.Builder
			switch d.Cmd {
			case "apply": // one command a line, all in one batch
				b := begin(s)
				for line := range strings.Lines(d.Input) {
					index++
					applyLine(t, b, line, &out)
				}
				b.SetApplied(index, 1)
				require.NoError(t, b.Commit())
			case "range": // one RangeOp a line
				for line := range strings.Lines(d.Input) {
					op := &consensusv1.RangeOp{}
					require.NoError(t, prototext.Unmarshal([]byte(line), op))
					res, head, err := s.Range(context.Background(), op)
					writeOutcome(&out, err, func() { fmt.Fprintf(&out, "%s at %d\n", rangeText(res), head) })
				}
			case "history":
				var from, to int64
				d.ScanArgs(t, "from", &from)
				d.MaybeScanArgs(t, "to", &to)
				commits, through, err := s.History(t.Context(), from, to, nil, nil, 0)
				writeOutcome(&out, err, func() {
					for _, c := range commits {
						fmt.Fprintln(&out, commitText(c))
					}
					fmt.Fprintf(&out, "through %d\n", through)
				})
			case "tree": // one ReadTreeRequest a line
				for line := range strings.Lines(d.Input) {
					r := &consensusv1.ReadTreeRequest{}
					require.NoError(t, prototext.Unmarshal([]byte(line), r))
					node, failure, revision, err := NewMachine(s).ReadTree(context.Background(), r.GetPath(), r.GetRecursive())
					require.NoError(t, err)
					if failure != nil {
						fmt.Fprintln(&out, failureText(failure))
						continue
					}
					fmt.Fprintf(&out, "%s at %d\n", nodeText(node), revision)
				}
			case "due":
				var at int64
				d.ScanArgs(t, "at", &at)
				due, err := NewMachine(s).Due(at, 100)
				require.NoError(t, err)
				for _, op := range due {
					fmt.Fprintf(&out, "%s directory=%t at %d\n", op.GetPath(), op.GetDir(), op.GetExpiration())
				}
			case "rows": // what Pebble holds
				require.NoError(t, s.each([]byte{0}, []byte{0xff, 0}, func(k, v []byte) error {
					if space(k[0]) != spaceMeta && space(k[0]) != spaceMark {
						fmt.Fprintln(&out, rowText(t, k, v))
					}
					return nil
				}))
			case "remove-compacted":
				require.NoError(t, s.compactNow())
			case "reopen":
				require.NoError(t, s.Close())
				s, err = Open(Config{Dir: "state", FS: fs})
				require.NoError(t, err)
				applied, _ := s.Applied()
				fmt.Fprintf(&out, "revision %d, compacted %d, applied %d\n", s.Revision(), s.CompactedRevision(), applied)
			default:
				d.Fatalf(t, "unknown command %s", d.Cmd)
			}
			return out.String()
		})
		require.NoError(t, s.Close())
	})
}

func applyLine(t *testing.T, b Commands, line string, out *strings.Builder) {
	t.Helper()
	c := &consensusv1.Command{}
	require.NoError(t, prototext.Unmarshal([]byte(line), c), line)
	res, commit, err := b.Apply(c)
	writeOutcome(out, err, func() {
		fmt.Fprintln(out, resultText(res))
		if commit != nil {
			fmt.Fprintf(out, "  %s\n", commitText(commit))
		}
	})
}

func writeOutcome(out *strings.Builder, err error, ok func()) {
	if err != nil {
		fmt.Fprintf(out, "refused: %v\n", err)
		return
	}
	ok()
}

func kvText(kv *mvccpb.KeyValue) string {
	if kv == nil {
		return "-"
	}
	s := fmt.Sprintf("%s=%s(create %d mod %d version %d", plain(kv.GetKey()), plain(kv.GetValue()), kv.GetCreateRevision(), kv.GetModRevision(), kv.GetVersion())
	if kv.GetLease() != 0 {
		s += fmt.Sprintf(" lease %d", kv.GetLease())
	}
	return s + ")"
}

// plain shows bytes so that the scripts stay text.
func plain(b []byte) string { return strings.Trim(strconv.Quote(string(b)), `"`) }

func kvsText(kvs []*mvccpb.KeyValue) string {
	var parts []string
	for _, kv := range kvs {
		parts = append(parts, kvText(kv))
	}
	return "[" + strings.Join(parts, " ") + "]"
}

func rangeText(r *consensusv1.RangeResult) string {
	s := fmt.Sprintf("%s count %d", kvsText(r.GetKvs()), r.GetCount())
	if r.GetMore() {
		s += " more"
	}
	return s
}

func treeChangeText(c *consensusv1.TreeChange) string {
	s := " tree " + strings.ToLower(strings.TrimPrefix(c.GetAction().String(), "TREE_ACTION_"))
	if c.GetNode() != nil {
		s += " " + nodeText(c.GetNode())
	}
	if c.GetPrevNode() != nil {
		s += " was " + nodeText(c.GetPrevNode())
	}
	if len(c.GetRemoved()) > 0 {
		s += fmt.Sprintf(" with %q", c.GetRemoved())
	}
	if c.GetSilent() {
		s += " silent"
	}
	return s
}

func nodeText(n *consensusv1.TreeNode) string {
	s := string(n.GetPath())
	if n.GetDir() {
		s += " dir"
	}
	if len(n.GetValue()) > 0 {
		s += fmt.Sprintf(" =%s", n.GetValue())
	}
	s += fmt.Sprintf("(create %d mod %d", n.GetCreateRevision(), n.GetModRevision())
	if n.GetExpiration() != 0 {
		s += fmt.Sprintf(" until %d", n.GetExpiration())
	}
	s += ")"
	if len(n.GetNodes()) > 0 {
		s += " {"
		for _, child := range n.GetNodes() {
			s += " " + nodeText(child)
		}
		s += " }"
	}
	return s
}

func commitText(c *consensusv1.Commit) string {
	s := fmt.Sprintf("revision %d:", c.GetRevision())
	for _, e := range c.GetEvents() {
		if e.GetType() == consensusv1.Event_DELETE {
			s += fmt.Sprintf(" delete %s", e.GetKv().GetKey())
		} else {
			s += " put " + kvText(e.GetKv())
		}
		if e.GetPrevKv() != nil {
			s += " was " + kvText(e.GetPrevKv())
		}
	}
	if c.GetTree() != nil {
		s += treeChangeText(c.GetTree())
	}
	return s
}

func resultText(r *consensusv1.Result) string {
	var s string
	switch x := r.GetResult().(type) {
	case *consensusv1.Result_Put:
		s = putText(x.Put)
	case *consensusv1.Result_DeleteRange:
		s = deleteText(x.DeleteRange)
	case *consensusv1.Result_Txn:
		s = txnText(x.Txn)
	case *consensusv1.Result_Tree:
		s = treeText(x.Tree)
	case *consensusv1.Result_LeaseRevoke:
		s = fmt.Sprintf("revoked %v", x.LeaseRevoke.GetRevoked())
	case *consensusv1.Result_LeaseAcquire:
		s = fmt.Sprintf("epoch %d", x.LeaseAcquire.GetEpoch())
	case *consensusv1.Result_Alarm:
		s = "changed"
		for _, a := range x.Alarm.GetChanged() {
			s += fmt.Sprintf(" %d:%s", a.GetMemberId(), strings.TrimPrefix(a.GetType().String(), "TYPE_"))
		}
	default:
		s = "done"
	}
	return fmt.Sprintf("%s at %d", s, r.GetRevision())
}

func putText(r *consensusv1.PutResult) string {
	if r.GetPrevKv() != nil {
		return "put, was " + kvText(r.GetPrevKv())
	}
	return "put"
}

func treeText(r *consensusv1.TreeResult) string {
	if f := r.GetFailure(); f != nil {
		return failureText(f)
	}
	s := "now " + nodeText(r.GetNode())
	if r.GetPrevNode() != nil {
		s += ", was " + nodeText(r.GetPrevNode())
	}
	return s
}

func failureText(f *consensusv1.TreeFailure) string {
	return fmt.Sprintf("declined, %s: %s", strings.ToLower(strings.TrimPrefix(f.GetCode().String(), "CODE_")), f.GetCause())
}

func deleteText(r *consensusv1.DeleteRangeResult) string {
	s := fmt.Sprintf("deleted %d", r.GetDeleted())
	if len(r.GetPrevKvs()) > 0 {
		s += " " + kvsText(r.GetPrevKvs())
	}
	return s
}

func txnText(r *consensusv1.TxnResult) string {
	s := "failed"
	if r.GetSucceeded() {
		s = "succeeded"
	}
	for _, o := range r.GetResults() {
		switch x := o.GetResult().(type) {
		case *consensusv1.OpResult_Range:
			s += "; " + rangeText(x.Range)
		case *consensusv1.OpResult_Put:
			s += "; " + putText(x.Put)
		case *consensusv1.OpResult_DeleteRange:
			s += "; " + deleteText(x.DeleteRange)
		case *consensusv1.OpResult_Txn:
			s += "; {" + txnText(x.Txn) + "}"
		}
	}
	return s
}

func rowText(t *testing.T, k, v []byte) string {
	t.Helper()
	switch space(k[0]) {
	case spaceVersion:
		key, revision, err := splitVersionKey(k)
		require.NoError(t, err)
		var r Record
		require.NoError(t, decodeRecord(v, &r))
		if r.Tombstone {
			return fmt.Sprintf("version %s@%d.%d tombstone", key, revision, r.sub)
		}
		s := fmt.Sprintf("version %s@%d.%d =%s create %d version %d lease %d", key, revision, r.sub, r.Value, r.Create, r.Version, r.Lease)
		if r.Expiration != 0 {
			s += fmt.Sprintf(" until %d", r.Expiration)
		}
		return s
	case spaceDir:
		path, err := splitDirKey(k)
		require.NoError(t, err)
		d, err := decodeDir(v)
		require.NoError(t, err)
		return fmt.Sprintf("directory %s create %d mod %d until %d", path, d.Create, d.Mod, d.Expiration)
	case spaceExpiry:
		at, kind, path, err := splitExpiryKey(k)
		require.NoError(t, err)
		return fmt.Sprintf("expiry %d directory=%t %s", at, kind == expiryDir, path)
	case spaceHistory:
		revision, sub, err := splitHistoryKey(k)
		require.NoError(t, err)
		var c change
		require.NoError(t, decodeChange(v, &c))
		if c.tree != nil {
			done := &consensusv1.TreeChange{}
			require.NoError(t, proto.Unmarshal(c.tree, done))
			return fmt.Sprintf("history %d.tree%s", revision, treeChangeText(done))
		}
		return fmt.Sprintf("history %d.%d %s tombstone=%t previous %d", revision, sub, c.key, c.tombstone, c.previous)
	case spaceLease:
		id, err := splitLeaseKey(k)
		require.NoError(t, err)
		times, err := decodeLease(v)
		require.NoError(t, err)
		return fmt.Sprintf("lease %d granted %d remaining %d", id, times.Granted, times.Remaining)
	case spaceAttachment:
		id, key, err := splitAttachmentKey(k)
		require.NoError(t, err)
		return fmt.Sprintf("attachment %d %s", id, key)
	case spaceAlarm:
		member, kind, err := splitAlarmKey(k)
		require.NoError(t, err)
		return fmt.Sprintf("alarm %d %d", member, kind)
	case spaceCount:
		low, err := splitCountKey(k)
		require.NoError(t, err)
		return fmt.Sprintf("bucket %q %d", low, v[0])
	}
	return fmt.Sprintf("unknown %x", k)
}

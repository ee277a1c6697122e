package clientv3

import (
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Goal: watchers are told every write of a transaction that writes a key several times, in order, and of no deletion of what they
// never saw, as by etcd; so are those who come later and read it from the history. Method: nested transactions, which may do
// so: a key made and deleted, and one replaced and deleted, with what was there before the transaction.
func TestTxnWritesAKeySeveralTimes(t *testing.T) {
	k := open(t)
	k.put("old", "0")
	live := k.watch("", clientv3.WithPrefix(), clientv3.WithPrevKV())
	deletions := k.watch("", clientv3.WithPrefix(), clientv3.WithFilterPut())
	nested := func(ops ...clientv3.Op) clientv3.Op { return clientv3.OpTxn(nil, ops, nil) }
	resp, err := k.Txn(k.ctx).Then(
		nested(clientv3.OpPut(k.key("new"), "1"), clientv3.OpPut(k.key("old"), "2")),
		nested(clientv3.OpDelete(k.key("new")), clientv3.OpDelete(k.key("old"), clientv3.WithPrevKV())),
	).Commit()
	require.NoError(t, err)
	k.put("end", "")
	k.delete("end")

	want := []string{"PUT new=1", "PUT old=2 was 0", "DELETE new", "DELETE old was 0", "PUT end=", "DELETE end"}
	told := func(events clientv3.WatchChan) (all []string) {
		for len(all) == 0 || all[len(all)-1] != "DELETE end" {
			for _, e := range (<-events).Events {
				s := e.Type.String() + " " + string(e.Kv.Key[len(k.key("")):])
				if e.Type == clientv3.EventTypePut {
					s += "=" + string(e.Kv.Value)
				} else if string(e.Kv.Key) == k.key("end") {
					e.PrevKv = nil
				}
				if e.PrevKv != nil {
					s += " was " + string(e.PrevKv.Value)
				}
				all = append(all, s)
			}
		}
		return all
	}
	require.Equal(t, want, told(live))
	require.Equal(t, want, told(k.watch("", clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithRev(resp.Header.Revision))))
	require.Equal(t, []string{"DELETE new", "DELETE old", "DELETE end"}, told(deletions))
}

// Package memorysize estimates how many bytes of memory commits and events keep alive, for limits. It is an estimate that
// costs no more than a few additions; encoded sizes are somebody else's business.
package memorysize

import (
	"go.etcd.io/etcd/api/v3/mvccpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Of the structures around the bytes of a key and a value.
const (
	commitBytes   = 64
	eventBytes    = 64
	keyValueBytes = 128
)

// Commit returns the weight of a commit with its events.
func Commit(commit *consensusv1.Commit) int {
	bytes := commitBytes
	for _, event := range commit.Events {
		bytes += Event(event)
	}
	return bytes + treeChange(commit.Tree)
}

// Event returns the weight of an event with its values.
func Event(event *consensusv1.Event) int {
	return eventBytes + keyValue(event.Kv) + keyValue(event.PrevKv) + treeChange(event.Tree)
}

func treeChange(tree *consensusv1.TreeChange) int {
	if tree == nil {
		return 0
	}
	bytes := keyValueBytes + len(tree.Node.GetPath()) + len(tree.PrevNode.GetPath())
	for _, path := range tree.Removed {
		bytes += eventBytes + len(path)
	}
	return bytes
}

func keyValue(kv *mvccpb.KeyValue) int {
	if kv == nil {
		return 0
	}
	return keyValueBytes + len(kv.Key) + len(kv.Value)
}

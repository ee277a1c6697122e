package membership

import (
	"fmt"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Names of the state store's records about membership.
const (
	metaMembers   = "members"
	metaConfState = "confstate"
)

// Records are those of a state, or of a snapshot of it.
type Records interface {
	// Meta returns a record, nil if there is none.
	Meta(name string) ([]byte, error)
}

// RecordWriter is a batch that changes records of the state.
type RecordWriter interface {
	SetMeta(name string, value []byte)
}

// Read returns the members and raft's configuration as of a state. Both are empty in one that is.
func Read(records Records) (*consensusv1.MembersResponse, *raftpb.ConfState, error) {
	version := &consensusv1.MembersResponse{}
	if err := read(records, metaMembers, version); err != nil {
		return nil, nil, err
	}
	confState := &raftpb.ConfState{}
	return version, confState, read(records, metaConfState, confState)
}

func read(records Records, name string, message proto.Message) error {
	encoded, err := records.Meta(name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if err := proto.Unmarshal(encoded, message); err != nil {
		return fmt.Errorf("decode %s: %w", name, err)
	}
	return nil
}

// Write has a batch store the members and the configuration that raft derived from them.
func Write(batch RecordWriter, version *consensusv1.MembersResponse, confState *raftpb.ConfState) error {
	encoded, err := proto.Marshal(confState)
	if err != nil {
		return fmt.Errorf("encode the raft configuration: %w", err)
	}
	batch.SetMeta(metaConfState, encoded)
	return writeMembers(batch, version)
}

func writeMembers(batch RecordWriter, version *consensusv1.MembersResponse) error {
	encoded, err := proto.Marshal(version)
	if err != nil {
		return fmt.Errorf("encode the members: %w", err)
	}
	batch.SetMeta(metaMembers, encoded)
	return nil
}

// ConfState is the configuration of raft in which members begin.
func ConfState(members []*consensusv1.Member) *raftpb.ConfState {
	confState := &raftpb.ConfState{}
	for _, m := range members {
		if m.GetIsLearner() {
			confState.Learners = append(confState.Learners, m.GetId())
		} else {
			confState.Voters = append(confState.Voters, m.GetId())
		}
	}
	return confState
}

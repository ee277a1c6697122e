package datadir

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/raft/v3"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

// A new cluster begins as if entry 1 of term 1 had made its members: each of them writes the same state at index 1
// and an empty log behind it. That needs no entries that are committed without a quorum, and a member that joins
// later cannot take part before it got that state from another (raft's own advice in RawNode.Bootstrap).
const (
	BootstrapIndex = 1
	bootstrapTerm  = 1
)

// Names of the log store's facts about the cluster that a member began with.
const (
	blobToken   = "token"
	blobMembers = "members"
)

// DefaultClusterToken is the token of a cluster that was given none.
const DefaultClusterToken = "etcd-cluster"

// Founding is what a member must be told once: the cluster and itself, who else is in it, and whether it exists already.
type Founding struct {
	ClusterID    uint64
	MemberID     uint64
	ClusterToken string
	Members      []*consensusv1.Member
	Join         bool
}

// CheckIDs says what is wrong with the ids.
func (f Founding) CheckIDs() error {
	switch {
	case f.MemberID == raft.None || f.MemberID == raft.LocalAppendThread || f.MemberID == raft.LocalApplyThread:
		return fmt.Errorf("member id %x is reserved", f.MemberID)
	case f.ClusterID == 0:
		return errors.New("the cluster id is not set")
	}
	return nil
}

// founding returns what Found says, if there is one.
func (o Config) founding() (Founding, error) {
	if o.Found == nil {
		return o.Founding, nil
	}
	founding, err := o.Found()
	if err != nil {
		return Founding{}, err
	}
	return founding, founding.CheckIDs()
}

// identify finds out whose data this is, or makes it the founding's member's if it is nobody's.
func (o *opening) identify() error {
	own, known := o.data.Log.Identity()
	stored, err := readIdentity(o.data.State.Store)
	if err != nil {
		return err
	}
	applied, _ := o.data.State.Applied()
	switch {
	case !known && applied > 0:
		return fmt.Errorf("%w: %s/member/state holds data and %s/member/log is empty: restore the log's directory, or the whole data directory from a snapshot", ErrForeignData, o.DataDir, o.DataDir)
	case !known:
		founding, err := o.founding()
		if err != nil {
			return err
		}
		return o.bootstrap(founding)
	}
	token, _, err := o.data.Log.Blob(blobToken)
	if err != nil {
		return fmt.Errorf("read the cluster's token: %w", err)
	}
	if asked := o.Founding.ClusterToken; asked != "" && asked != string(token) {
		// As with etcd it counts at the first start only. Which cluster it is, the directory says.
		o.Logger.Warn("the cluster's token is ignored: the data directory has the one that its cluster began with; choose another directory if another cluster was meant",
			"data-dir", o.DataDir, "token", asked, "token-of-directory", string(token))
	}
	o.data.Identity = own
	if applied == 0 {
		return o.resumeBootstrap()
	}
	if stored != o.data.Identity {
		return fmt.Errorf("%w: %s/member/log belongs to member %x of cluster %x, and %s/member/state to member %x of cluster %x: the two must be of one member", ErrForeignData,
			o.DataDir, own.MemberID, own.ClusterID, o.DataDir, stored.MemberID, stored.ClusterID)
	}
	return nil
}

// bootstrap makes the first state of a new cluster. A crash on the way leaves a directory that the next start takes
// for new, or finishes: the identity goes in last.
func (o *opening) bootstrap(f Founding) error {
	if len(f.Members) == 0 {
		return fmt.Errorf("%w: %s is empty and the configuration names no members to start a cluster with", ErrForeignData, o.DataDir)
	}
	members, err := proto.Marshal(&consensusv1.MembersResponse{Members: f.Members})
	if err != nil {
		return fmt.Errorf("encode the members: %w", err)
	}
	log := o.data.Log
	if !f.Join {
		if err := log.Reset(BootstrapIndex, bootstrapTerm, membership.ConfState(f.Members)); err != nil {
			return fmt.Errorf("start the raft log: %w", err)
		}
	}
	if err := log.SetBlob(blobMembers, members); err != nil {
		return fmt.Errorf("write the cluster's members: %w", err)
	}
	if err := log.SetBlob(blobToken, []byte(cmp.Or(f.ClusterToken, DefaultClusterToken))); err != nil {
		return fmt.Errorf("write the cluster's token: %w", err)
	}
	o.data.Identity = Identity{ClusterID: f.ClusterID, MemberID: f.MemberID}
	if err := log.SetIdentity(o.data.Identity); err != nil {
		return fmt.Errorf("write the member's identity: %w", err)
	}
	said := []any{"cluster", identity.Format(f.ClusterID), "member", identity.Format(f.MemberID), "members", len(f.Members)}
	if f.Join {
		o.Logger.Info("joining a cluster", said...)
		o.Transport.SetPeers(f.Members)
		return nil
	}
	o.Logger.Info("started a new cluster", said...)
	return o.data.bootstrapState()
}

// resumeBootstrap goes on where a first start ended before there was a state: a founder makes it, a member that joins
// waits for another's.
func (o *opening) resumeBootstrap() error {
	last, err := o.data.Log.LastIndex()
	if err != nil {
		return err
	}
	if last >= BootstrapIndex {
		return o.data.bootstrapState()
	}
	members, err := o.data.foundingMembers()
	if err != nil {
		return err
	}
	o.Transport.SetPeers(members.GetMembers())
	return nil
}

// foundingMembers are the members that the configuration named at the first start.
func (d *Data) foundingMembers() (*consensusv1.MembersResponse, error) {
	encoded, _, err := d.Log.Blob(blobMembers)
	if err != nil {
		return nil, fmt.Errorf("read the members of the first start: %w", err)
	}
	members := &consensusv1.MembersResponse{}
	if err := proto.Unmarshal(encoded, members); err != nil {
		return nil, fmt.Errorf("decode the members of the first start: %w", err)
	}
	return members, nil
}

// bootstrapState writes the state at the bootstrap index, durably.
func (d *Data) bootstrapState() error {
	members, err := d.foundingMembers()
	if err != nil {
		return err
	}
	batch := d.State.Begin()
	defer batch.Close()
	if err := membership.Write(batch, members, membership.ConfState(members.GetMembers())); err != nil {
		return err
	}
	batch.SetMeta(metaIdentity, encodeIdentity(d.Identity))
	batch.SetApplied(BootstrapIndex, bootstrapTerm)
	if err := batch.Commit(); err != nil {
		return fmt.Errorf("write the first state: %w", err)
	}
	return d.State.Flush()
}

// metaIdentity names the state store's record of whose state it is.
const metaIdentity = "identity"

func encodeIdentity(i Identity) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, i.ClusterID), i.MemberID)
}

func readIdentity(store *mvcc.Store) (Identity, error) {
	b, err := store.Meta(metaIdentity)
	if err != nil {
		return Identity{}, fmt.Errorf("read the state's identity: %w", err)
	}
	if len(b) != 16 {
		return Identity{}, nil
	}
	return Identity{ClusterID: binary.BigEndian.Uint64(b), MemberID: binary.BigEndian.Uint64(b[8:])}, nil
}

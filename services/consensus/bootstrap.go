package consensus

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/internal/interruptible"
	"github.com/quoratedb/quorate/services/consensus/internal/logstore"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

// A new cluster begins as if entry 1 of term 1 had made its members: each of them writes the same state at index 1
// and an empty log behind it. That needs no entries that are committed without a quorum, and a member that joins
// later cannot take part before it got that state from another (raft's own advice in RawNode.Bootstrap).
const (
	bootstrapIndex = 1
	bootstrapTerm  = 1
)

// Names of the log store's facts about the cluster that a member began with.
const (
	blobToken   = "token"
	blobMembers = "members"
)

// ErrForeignData is returned by New when the data directory does not hold what the configuration describes, or its
// parts do not belong together. Nothing is changed then.
var ErrForeignData = errors.New("the data directory does not fit")

// ErrInterrupted is returned by New when Config.Interrupt was closed before the member was open. The data is as after a crash.
var ErrInterrupted = interruptible.ErrInterrupted

// stores are the two Pebble stores of a member.
type stores struct {
	log   *logstore.Store
	state *mvcc.Store
	// stateDir is where the state is, below DataDir/member; serving says whether its failures are the member's.
	stateDir  string
	serving   *atomic.Bool
	members   *membership.Members
	confState *raftpb.ConfState
	// incarnation is the directory's own, see incarnation.go.
	incarnation uint64
}

// openStoresInTime is openStores, whose storage engines may wait for ever for a disk that has failed. Then there is
// nothing to close either, as in await.
func openStoresInTime(cfg *Config, failure *failure) (*stores, error) {
	type outcome struct {
		*stores
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		stores, err := openStores(cfg, cfg.Logger, failure.report)
		done <- outcome{stores, err}
	}()
	select {
	case o := <-done:
		return o.stores, o.err
	case <-failure.found:
	case <-cfg.Interrupt:
	}
	select {
	case o := <-done:
		return o.stores, o.err
	case <-time.After(stuckTimeout):
	}
	err := ErrInterrupted
	select {
	case <-failure.found:
		err = failure.cause()
	default:
	}
	return nil, fmt.Errorf("open the member's data: %w; the storage engine does not stop", err)
}

// openStores opens or creates both stores and checks that they belong together. It sets the ids in cfg to those of
// the directory.
func openStores(cfg *Config, log *slog.Logger, fatal func(error)) (_ *stores, err error) {
	path := func(name string) string { return cfg.FS.PathJoin(cfg.DataDir, "member", name) }
	if err := makeDirDurable(cfg.FS, path(logDir)); err != nil {
		return nil, fmt.Errorf("create the data directory: %w", err)
	}
	narrowData(*cfg, log)
	s := &stores{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	opening := *cfg
	if cfg.Interrupt != nil {
		reading := interruptible.New(cfg.FS, cfg.Interrupt)
		defer reading.Release()
		opening.FS = reading
	}
	s.log, err = logstore.Open(logstore.Options{
		Dir:        path(logDir),
		FS:         opening.FS,
		Logger:     log.With("store", "log"),
		Registerer: cfg.Registerer,
		OnFatal:    fatal,
	})
	if err != nil {
		return nil, fmt.Errorf("open the raft log: %w", err)
	}
	if s.stateDir, err = findState(*cfg, s.log); err != nil {
		return nil, err
	}
	s.state, s.serving, err = openState(opening, s.stateDir, log, fatal, fatal, cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("open the state: %w", err)
	}
	if err := s.recoverInstall(); err != nil {
		return nil, err
	}
	_, known := s.log.Identity()
	if err := s.identify(cfg, log); err != nil {
		return nil, err
	}
	if s.incarnation, err = membership.OwnIncarnation(s.log); err != nil {
		return nil, err
	}
	s.members, s.confState, err = membership.Load(s.state, s.log, cfg.Transport, cfg.MemberID)
	if err != nil {
		return nil, err
	}
	if err := s.checkIndexes(); err != nil {
		return nil, err
	}
	switch {
	case !cfg.ForceNewCluster:
		return s, s.forgetForced()
	case known:
		return s, s.force(*cfg, log)
	default: // as with etcd, nothing is forced where there is no data
		log.Warn("--force-new-cluster has no effect: there is no data to make a cluster of")
		return s, nil
	}
}

// openState opens the state in a directory below DataDir/member. Its failures are told to fatal while serving says that it
// is the member's, and to failing otherwise, also while it opens: an engine that fails may never return from what it does.
func openState(cfg Config, dir string, log *slog.Logger, fatal, failing func(error), registerer prometheus.Registerer) (_ *mvcc.Store, serving *atomic.Bool, err error) {
	serving = &atomic.Bool{}
	store, err := mvcc.Open(mvcc.Options{
		Dir:           cfg.FS.PathJoin(cfg.DataDir, "member", dir),
		FS:            cfg.FS,
		Logger:        log.With("store", "state"),
		CacheBytes:    cfg.CacheBytes,
		MemTableBytes: cfg.MemTableBytes,
		OpenFilesMax:  cfg.OpenFilesMax,
		Registerer:    registerer,
		OnFatal: func(err error) {
			if serving.Load() {
				fatal(err)
			} else {
				failing(err)
			}
		},
	})
	return store, serving, err
}

// identify finds out whose data this is, or makes it the configured member's if it is nobody's.
func (s *stores) identify(cfg *Config, log *slog.Logger) error {
	identity, known := s.log.Identity()
	stateIdentity, err := readIdentity(s.state)
	if err != nil {
		return err
	}
	applied, _ := s.state.Applied()
	switch {
	case !known && applied > 0:
		return fmt.Errorf("%w: %s/member/state holds data and %s/member/log is empty: restore the log's directory, or the whole data directory from a snapshot", ErrForeignData, cfg.DataDir, cfg.DataDir)
	case !known:
		if err := cfg.found(); err != nil {
			return err
		}
		return s.bootstrap(*cfg, log)
	}
	token, _, err := s.log.Blob(blobToken)
	if err != nil {
		return fmt.Errorf("read the cluster's token: %w", err)
	}
	if cfg.ClusterToken != "" && cfg.ClusterToken != string(token) {
		// As with etcd it counts at the first start only. Which cluster it is, the directory says.
		log.Warn("the cluster's token is ignored: the data directory has the one that its cluster began with; choose another directory if another cluster was meant",
			"data-dir", cfg.DataDir, "token", cfg.ClusterToken, "token-of-directory", string(token))
	}
	cfg.ClusterID, cfg.MemberID = identity.ClusterID, identity.MemberID
	if applied == 0 {
		return s.resumeBootstrap(cfg, identity)
	}
	if stateIdentity.ClusterID != identity.ClusterID || stateIdentity.MemberID != identity.MemberID {
		return fmt.Errorf("%w: %s/member/log belongs to member %x of cluster %x, and %s/member/state to member %x of cluster %x: the two must be of one member", ErrForeignData,
			cfg.DataDir, identity.MemberID, identity.ClusterID, cfg.DataDir, stateIdentity.MemberID, stateIdentity.ClusterID)
	}
	return nil
}

// bootstrap makes the first state of a new cluster. A crash on the way leaves a directory that the next start takes
// for new, or finishes: the identity goes in last.
func (s *stores) bootstrap(cfg Config, log *slog.Logger) error {
	if len(cfg.Members) == 0 {
		return fmt.Errorf("%w: %s is empty and the configuration names no members to start a cluster with", ErrForeignData, cfg.DataDir)
	}
	members, err := proto.Marshal(&consensusv1.MembersResponse{Members: cfg.Members})
	if err != nil {
		return fmt.Errorf("encode the members: %w", err)
	}
	if !cfg.Join {
		if err := s.log.Reset(bootstrapIndex, bootstrapTerm, membership.ConfState(cfg.Members)); err != nil {
			return fmt.Errorf("start the raft log: %w", err)
		}
	}
	if err := s.log.SetBlob(blobMembers, members); err != nil {
		return fmt.Errorf("write the cluster's members: %w", err)
	}
	if err := s.log.SetBlob(blobToken, []byte(cmp.Or(cfg.ClusterToken, DefaultClusterToken))); err != nil {
		return fmt.Errorf("write the cluster's token: %w", err)
	}
	own := logstore.Identity{ClusterID: cfg.ClusterID, MemberID: cfg.MemberID}
	if err := s.log.SetIdentity(own); err != nil {
		return fmt.Errorf("write the member's identity: %w", err)
	}
	if cfg.Join {
		log.Info("joining a cluster", "cluster", identity.Format(cfg.ClusterID), "member", identity.Format(cfg.MemberID), "members", len(cfg.Members))
		cfg.Transport.SetPeers(cfg.Members)
		return nil
	}
	log.Info("started a new cluster", "cluster", identity.Format(cfg.ClusterID), "member", identity.Format(cfg.MemberID), "members", len(cfg.Members))
	return s.bootstrapState(own)
}

// resumeBootstrap goes on where a first start ended before there was a state: a founder makes it, a member that joins
// waits for another's.
func (s *stores) resumeBootstrap(cfg *Config, identity logstore.Identity) error {
	last, err := s.log.LastIndex()
	if err != nil {
		return err
	}
	if last >= bootstrapIndex {
		return s.bootstrapState(identity)
	}
	members, err := s.foundingMembers()
	if err != nil {
		return err
	}
	cfg.Transport.SetPeers(members.GetMembers())
	return nil
}

// foundingMembers are the members that the configuration named at the first start.
func (s *stores) foundingMembers() (*consensusv1.MembersResponse, error) {
	encoded, _, err := s.log.Blob(blobMembers)
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
func (s *stores) bootstrapState(identity logstore.Identity) error {
	members, err := s.foundingMembers()
	if err != nil {
		return err
	}
	batch := s.state.Begin()
	defer batch.Close()
	if err := membership.Write(batch, members, membership.ConfState(members.GetMembers())); err != nil {
		return err
	}
	batch.SetMeta(metaIdentity, stateIdentity{identity.ClusterID, identity.MemberID}.encode())
	batch.SetApplied(bootstrapIndex, bootstrapTerm)
	if err := batch.Commit(); err != nil {
		return fmt.Errorf("write the first state: %w", err)
	}
	return s.state.Flush()
}

// checkIndexes refuses a log and a state between which committed entries are missing.
func (s *stores) checkIndexes() error {
	applied, _ := s.state.Applied()
	first, err := s.log.FirstIndex()
	if err != nil {
		return err
	}
	last, err := s.log.LastIndex()
	if err != nil {
		return err
	}
	if applied+1 < first {
		return fmt.Errorf("%w: the state ends at log index %d and the log begins at %d: entries between them are missing, restore the member from a snapshot or let it join anew", ErrForeignData, applied, first)
	}
	if applied > last {
		return fmt.Errorf("%w: the state is at log index %d and the log ends at %d: the log is older than the state, restore the member from a snapshot or let it join anew", ErrForeignData, applied, last)
	}
	return nil
}

func (s *stores) close() error {
	var errs []error
	if s.state != nil {
		errs = append(errs, s.state.Close())
	}
	if s.log != nil {
		errs = append(errs, s.log.Close())
	}
	return errors.Join(errs...)
}

// metaIdentity names the state store's record of whose state it is.
const metaIdentity = "identity"

type stateIdentity struct{ ClusterID, MemberID uint64 }

func (i stateIdentity) encode() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, i.ClusterID), i.MemberID)
}

func readIdentity(store *mvcc.Store) (stateIdentity, error) {
	b, err := store.Meta(metaIdentity)
	if err != nil {
		return stateIdentity{}, fmt.Errorf("read the state's identity: %w", err)
	}
	if len(b) != 16 {
		return stateIdentity{}, nil
	}
	return stateIdentity{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}, nil
}

// raftStorage is the log with raft's configuration as of the applied state: the two are read at different indexes
// otherwise, because the state may be older than the newest configuration change in the log.
type raftStorage struct {
	raft.Storage
	confState *raftpb.ConfState
	applied   uint64
}

// InitialState returns a commit index that is no lower than what is applied: the log stores a new commit index with the
// next entries only, so that a flush of the state may have overtaken it before a crash. What was applied was committed.
func (s raftStorage) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	hardState, _, err := s.Storage.InitialState()
	if err == nil && hardState != nil && hardState.GetCommit() < s.applied {
		hardState = &raftpb.HardState{Term: hardState.Term, Vote: hardState.Vote, Commit: &s.applied}
	}
	return hardState, s.confState, err
}

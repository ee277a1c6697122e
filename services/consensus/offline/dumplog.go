package offline

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/datadir"
	"github.com/quoratedb/quorate/services/consensus/internal/logstore"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

// LogHead is what a log says beside its entries.
type LogHead struct {
	ClusterID, MemberID uint64
	// Term, Vote and Commit are raft's.
	Term, Vote, Commit uint64
	// Truncated is the newest entry that is gone on purpose, 0 if none is.
	Truncated, TruncatedTerm uint64
}

// LogEntry is an entry of a log.
type LogEntry struct {
	Index, Term uint64
	// Bytes is its size on disk.
	Bytes int
	// Time is when the leader put it into its log, the zero time where it did not say.
	Time time.Time
	// Change is a change of members, nil in an entry of commands. An entry with neither is a new leader's first.
	Change *MemberChange
	// Commands are what is to be carried out.
	Commands []LogCommand
	// Unreadable says why the entry, whose checksum is right, is not understood.
	Unreadable error
}

// MemberChange is a change of members.
type MemberChange struct {
	// Kind is add, add-learner, update or remove.
	Kind     string   `json:"kind"`
	MemberID uint64   `json:"member_id"`
	PeerURLs []string `json:"peer_urls,omitempty"`
}

// LogCommand is one command of an entry.
type LogCommand struct {
	// Kind is put, delete_range, txn, compact, lease_grant, ..., and of tree, auth and quota, behind a dot, what is done: auth.user_add.
	Kind string
	// Key and RangeEnd are of a command that has them: of a put, a deletion or a path of v2.
	Key, RangeEnd []byte
	// Bytes is the size of the whole command.
	Bytes int
	// User is for whom it is, empty for nobody in particular.
	User string
	// Command is all of it. Passwords are in it as their hashes.
	Command *consensusv1.Command
}

// LogDamage is a part of a log that cannot be read: the entries First to Last, both 0 where it is not known which; without a Last all from First on.
type LogDamage = logstore.Damage

// DumpLogConfig says what is read.
type DumpLogConfig struct {
	DataDir string
	// From and To are the first and the last entry, 0 for the log's.
	From, To uint64
	// Head is called once, Entry with each entry that can be read, in order, and Damage with what cannot be. An error ends the dump.
	Head   func(LogHead) error
	Entry  func(LogEntry) error
	Damage func(LogDamage) error
}

// DumpLog reads the Raft log of a stopped member, also where it is damaged, and writes nothing. Errors are ErrNoData, ErrInUse, and those of the
// file system and the config's functions: damage is told, and no error.
func DumpLog(ctx context.Context, cfg DumpLogConfig) (err error) {
	o, err := openOriginal(cfg.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	d := logstore.Dump{
		Head: func(h logstore.Head) error {
			return cfg.Head(LogHead{
				ClusterID: h.ClusterID, MemberID: h.MemberID, Truncated: h.Truncated, TruncatedTerm: h.TruncatedTerm,
				Term: h.HardState.GetTerm(), Vote: h.HardState.GetVote(), Commit: h.HardState.GetCommit(),
			})
		},
		Entry:  func(e *raftpb.Entry, bytes int) error { return cfg.Entry(logEntry(e, bytes)) },
		Damage: cfg.Damage,
	}
	return d.Read(ctx, filepath.Join(cfg.DataDir, "member", datadir.LogName), cfg.From, cfg.To)
}

// logEntry says what is in an entry.
func logEntry(e *raftpb.Entry, bytes int) LogEntry {
	entry := LogEntry{Index: e.GetIndex(), Term: e.GetTerm(), Bytes: bytes}
	if e.GetType() != raftpb.EntryNormal {
		entry.Change, entry.Unreadable = memberChange(e)
		return entry
	}
	decoded := &consensusv1.LogEntry{}
	if entry.Unreadable = proto.Unmarshal(e.GetData(), decoded); entry.Unreadable != nil {
		return entry
	}
	if at := decoded.GetTime(); at != 0 {
		entry.Time = time.Unix(0, int64(at)).UTC()
	}
	for _, command := range decoded.GetCommands() {
		entry.Commands = append(entry.Commands, logCommand(command))
	}
	return entry
}

func memberChange(e *raftpb.Entry) (*MemberChange, error) {
	change, err := replication.DecodeConfChange(e)
	if err != nil {
		return nil, err
	}
	member := &consensusv1.Member{}
	if err := proto.Unmarshal(change.GetContext(), member); err != nil {
		return nil, err
	}
	kinds := map[raftpb.ConfChangeType]string{
		raftpb.ConfChangeAddNode: "add", raftpb.ConfChangeAddLearnerNode: "add-learner", raftpb.ConfChangeUpdateNode: "update", raftpb.ConfChangeRemoveNode: "remove",
	}
	return &MemberChange{Kind: kinds[change.GetType()], MemberID: change.GetNodeId(), PeerURLs: member.GetPeerUrls()}, nil
}

// logCommand says what a command is.
func logCommand(command *consensusv1.Command) LogCommand {
	c := LogCommand{Bytes: proto.Size(command), Command: command, User: command.GetCaller().GetName()}
	which := command.ProtoReflect()
	field := which.WhichOneof(which.Descriptor().Oneofs().ByName("command"))
	if field == nil {
		c.Kind = "unknown" // of a newer program
		return c
	}
	c.Kind = string(field.Name())
	op := which.Get(field).Message()
	if action := op.Descriptor().Oneofs().ByName("op"); action != nil {
		if done := op.WhichOneof(action); done != nil {
			c.Kind += "." + string(done.Name())
		}
	}
	if tree := command.GetTree(); tree != nil {
		c.Kind += "." + strings.ToLower(strings.TrimPrefix(tree.GetAction().String(), "TREE_ACTION_"))
	}
	bytesOf := func(names ...protoreflect.Name) []byte {
		for _, name := range names {
			if f := op.Descriptor().Fields().ByName(name); f != nil && f.Kind() == protoreflect.BytesKind {
				return op.Get(f).Bytes()
			}
		}
		return nil
	}
	c.Key, c.RangeEnd = bytesOf("key", "path"), bytesOf("range_end")
	return c
}

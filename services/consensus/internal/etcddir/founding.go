package etcddir

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Founding is what a member of an etcd begins with beside its database, as one that has just got a snapshot from its leader.
type Founding struct {
	ClusterID, MemberID uint64
	// Index and Term are those of the newest entry in the database; Voted is the newest term that the member has heard of, or that.
	Index, Term, Voted uint64
	Members            []*consensusv1.Member
	// Removed are ids that must never come back.
	Removed []uint64
}

// The names of what Found writes, below the directory of a member.
const (
	snapDirName = "snap"
	walDirName  = "wal"
	// firstWALName is that of a log's first file: it goes on from any snapshot in it.
	firstWALName = "0000000000000000-0000000000000000.wal"
	fileMode     = 0o600
	dirMode      = 0o700
)

// Found writes the write-ahead log and the .snap file that go with a database, below the directory of a member, which exists and has neither. The
// log has no entries: it says that a snapshot holds all up to Index. All of it is on the disk when Found returns.
func Found(memberDir string, f Founding) error {
	confState := f.confState()
	snapshot := &raftpb.SnapshotMetadata{ConfState: confState, Index: proto.Uint64(f.Index), Term: proto.Uint64(f.Term)}
	content, err := f.snapFile(snapshot)
	if err != nil {
		return fmt.Errorf("encode the .snap file: %w", err)
	}
	log, err := f.log(confState)
	if err != nil {
		return fmt.Errorf("encode the write-ahead log: %w", err)
	}
	for _, file := range []struct {
		dir, name string
		content   []byte
	}{
		{snapDirName, fmt.Sprintf("%016x-%016x.snap", f.Term, f.Index), content},
		{walDirName, firstWALName, log},
	} {
		dir := filepath.Join(memberDir, file.dir)
		if err := os.MkdirAll(dir, dirMode); err != nil {
			return err
		}
		if err := writeSynced(filepath.Join(dir, file.name), file.content); err != nil {
			return err
		}
	}
	return nil
}

func writeSynced(file string, content []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// confState is raft's configuration.
func (f Founding) confState() *raftpb.ConfState {
	confState := &raftpb.ConfState{}
	for _, m := range f.Members {
		if m.GetIsLearner() {
			confState.Learners = append(confState.Learners, m.GetId())
		} else {
			confState.Voters = append(confState.Voters, m.GetId())
		}
	}
	return confState
}

// snapFile is the content of a .snap file, see readSnapFile.
func (f Founding) snapFile(metadata *raftpb.SnapshotMetadata) ([]byte, error) {
	store, err := f.v2Store()
	if err != nil {
		return nil, err
	}
	data, err := proto.Marshal(&raftpb.Snapshot{Data: store, Metadata: metadata})
	if err != nil {
		return nil, err
	}
	content := protowire.AppendTag(nil, 1, protowire.VarintType)
	content = protowire.AppendVarint(content, uint64(crc32.Checksum(data, castagnoli)))
	content = protowire.AppendTag(content, 2, protowire.BytesType)
	return protowire.AppendBytes(content, data), nil
}

// v2Store is a v2 store without a key: etcd 3.5 has members in one, and passes over those in the database.
func (f Founding) v2Store() ([]byte, error) {
	members, removed := map[string]*Node{}, map[string]*Node{}
	for _, m := range f.Members {
		inRaft := map[string]any{"peerURLs": m.GetPeerUrls()}
		if m.GetIsLearner() {
			inRaft["isLearner"] = true
		}
		raftAttributes, err := json.Marshal(inRaft)
		if err != nil {
			return nil, err
		}
		attributes, err := json.Marshal(map[string]any{"name": m.GetName(), "clientURLs": m.GetClientUrls()})
		if err != nil {
			return nil, err
		}
		members[strconv.FormatUint(m.GetId(), 16)] = &Node{Children: map[string]*Node{
			"raftAttributes": {Value: string(raftAttributes)}, "attributes": {Value: string(attributes)},
		}}
	}
	for _, id := range f.Removed {
		removed[strconv.FormatUint(id, 16)] = &Node{}
	}
	root := &Node{Children: map[string]*Node{
		"0": {Children: map[string]*Node{"members": {Children: members}, "removed_members": {Children: removed}}},
		"1": {Children: map[string]*Node{}},
	}}
	index := number(root, "/", 0)
	const format = 2
	return json.Marshal(struct {
		Root           *Node
		CurrentIndex   uint64
		CurrentVersion int
	}{root, index, format})
}

// number gives a node and those below it their paths, and each file an index of its own, from the one behind last on. It returns the last one.
func number(n *Node, at string, last uint64) uint64 {
	if n.Path = at; n.Children == nil {
		last++
	}
	n.CreatedIndex, n.ModifiedIndex = last, last
	for _, child := range slices.Sorted(maps.Keys(n.Children)) {
		last = number(n.Children[child], path.Join(at, child), last)
	}
	return last
}

// log is the content of the write-ahead log.
func (f Founding) log(confState *raftpb.ConfState) ([]byte, error) {
	state, err := proto.Marshal(&raftpb.HardState{Term: proto.Uint64(max(f.Term, f.Voted)), Vote: proto.Uint64(0), Commit: proto.Uint64(f.Index)})
	if err != nil {
		return nil, err
	}
	configuration, err := proto.Marshal(confState)
	if err != nil {
		return nil, err
	}
	w := &recordWriter{}
	w.add(recordChecksum, nil)
	w.add(recordMetadata, appendNumbers(nil, f.MemberID, f.ClusterID))
	w.add(recordSnapshot, appendNumbers(nil, 0, 0)) // every log begins with it
	w.add(recordSnapshot, protowire.AppendBytes(protowire.AppendTag(appendNumbers(nil, f.Index, f.Term), 3, protowire.BytesType), configuration))
	w.add(recordState, state)
	return w.content, nil
}

// appendNumbers appends fields 1 and 2 of a message.
func appendNumbers(b []byte, first, second uint64) []byte {
	b = protowire.AppendVarint(protowire.AppendTag(b, 1, protowire.VarintType), first)
	return protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), second)
}

// recordWriter writes the records of a file, see recordReader.
type recordWriter struct {
	content []byte
	crc     uint32
}

// add appends a record in its frame.
func (w *recordWriter) add(kind recordKind, data []byte) {
	w.crc = crc32.Update(w.crc, castagnoli, data)
	record := appendNumbers(nil, uint64(kind), uint64(w.crc))
	if data != nil {
		record = protowire.AppendBytes(protowire.AppendTag(record, 3, protowire.BytesType), data)
	}
	length := uint64(len(record))
	if padding := -length & (frameBytes - 1); padding > 0 {
		length |= (0x80 | padding) << 56
		record = append(record, make([]byte, padding)...)
	}
	w.content = append(binary.LittleEndian.AppendUint64(w.content, length), record...)
}

package etcddir

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Node is a file or directory of the v2 store, as a .snap file has it.
type Node struct {
	Path                        string
	CreatedIndex, ModifiedIndex uint64
	// ExpireTime is the zero time for never.
	ExpireTime time.Time
	Value      string
	// Children is nil for a file.
	Children map[string]*Node
}

// Snap is the newest .snap file.
type Snap struct {
	// Index is the newest entry in it, 0 where there is no file.
	Index uint64
	// Root is the v2 store, at its own index: it counts changes.
	Root    *Node
	V2Index uint64
}

// ReadSnap reads the newest .snap file of a directory that is whole, as etcd does; damaged ones are passed over where an older one is left. None is
// newer than newest.
func ReadSnap(dir string, newest uint64) (Snap, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return Snap{}, fmt.Errorf("look for .snap files: %w", err)
	}
	var broken error
	for _, entry := range slices.Backward(entries) {
		var term, index uint64
		if n, err := fmt.Sscanf(entry.Name(), "%016x-%016x.snap", &term, &index); n != 2 || err != nil || !strings.HasSuffix(entry.Name(), ".snap") || index > newest {
			continue
		}
		snap, err := readSnapFile(filepath.Join(dir, entry.Name()))
		if err == nil {
			return snap, nil
		}
		broken = errors.Join(broken, err)
	}
	return Snap{}, broken
}

// readSnapFile reads a snappb.Snapshot: a checksum and a raft snapshot, whose data is the v2 store.
func readSnapFile(path string) (Snap, error) {
	whole, err := os.ReadFile(path)
	if err != nil {
		return Snap{}, err
	}
	var crc uint32
	var data []byte
	err = eachField(whole, func(number protowire.Number, value uint64, field []byte) {
		switch number {
		case 1:
			crc = uint32(value)
		case 2:
			data = field
		}
	})
	if err != nil || len(data) == 0 || crc32.Checksum(data, castagnoli) != crc {
		return Snap{}, fmt.Errorf("%s %w: its checksum is not that of its data", path, ErrDamaged)
	}
	snapshot := &raftpb.Snapshot{}
	if err := proto.Unmarshal(data, snapshot); err != nil {
		return Snap{}, fmt.Errorf("%s %w: %w", path, ErrDamaged, err)
	}
	var store struct {
		Root         *Node
		CurrentIndex uint64
	}
	if len(snapshot.GetData()) > 0 {
		if err := json.Unmarshal(snapshot.GetData(), &store); err != nil {
			return Snap{}, fmt.Errorf("%s %w: %w", path, ErrDamaged, err)
		}
	}
	return Snap{Index: snapshot.GetMetadata().GetIndex(), Root: store.Root, V2Index: store.CurrentIndex}, nil
}

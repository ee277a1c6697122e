package broadcast

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"google.golang.org/protobuf/proto"
)

// Message is one step of the commit feed: it leads from revision Follows to revision Through.
//
//	Follows 7, Through 9, two commits   revisions 8 and 9, here they are
//	Follows 7, Through 9, no commits    revisions 8 and 9, to be read from history: too large, or nobody was listening
//	Follows 9, Through 9                nothing new, a heartbeat: a receiver that is not at 9 has lost something
type Message struct {
	Follows, Through int64
	Commits          []*consensusv1.Commit
	// Store is which store the revisions are of, nil where that is not known.
	Store []byte
}

// The encoding: a byte for the version of the format, Follows and Through as big-endian 64-bit numbers, and the
// commits and the store as those of a consensusv1.TailResponse.
//
//	01  00 00 00 00 00 00 00 07  00 00 00 00 00 00 00 09  0a ...
const (
	formatVersion = 1
	headerBytes   = 1 + 8 + 8
)

// errMalformed is returned by decode for bytes that are no message of a version known here.
var errMalformed = errors.New("malformed broadcast message")

// appendTo appends the encoded message to buf.
func (m *Message) appendTo(buf []byte) ([]byte, error) {
	buf = append(buf, formatVersion)
	buf = binary.BigEndian.AppendUint64(buf, uint64(m.Follows))
	buf = binary.BigEndian.AppendUint64(buf, uint64(m.Through))
	if len(m.Commits) == 0 && len(m.Store) == 0 {
		return buf, nil
	}
	return proto.MarshalOptions{}.MarshalAppend(buf, &consensusv1.TailResponse{Commits: m.Commits, Store: m.Store})
}

// decode is the inverse of appendTo. The message does not refer to data.
func decode(data []byte) (*Message, error) {
	if len(data) < headerBytes || data[0] != formatVersion {
		return nil, errMalformed
	}
	m := &Message{
		Follows: int64(binary.BigEndian.Uint64(data[1:])),
		Through: int64(binary.BigEndian.Uint64(data[9:])),
	}
	if m.Follows < 0 || m.Through < m.Follows {
		return nil, fmt.Errorf("%w: from %d to %d", errMalformed, m.Follows, m.Through)
	}
	var body consensusv1.TailResponse
	if err := proto.Unmarshal(data[headerBytes:], &body); err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	m.Commits, m.Store = body.Commits, body.Store
	if err := m.check(); err != nil {
		return nil, err
	}
	return m, nil
}

// leadsTo tells whether next has the commits right after these.
func (m *Message) leadsTo(next *Message) bool {
	return len(m.Commits) > 0 && len(next.Commits) > 0 && next.Follows == m.Through && bytes.Equal(m.Store, next.Store)
}

// join adds the commits of a message that m leads to.
func (m *Message) join(next *Message) {
	m.Commits = append(m.Commits, next.Commits...)
	m.Through = next.Through
}

// check tells whether the commits, if there are any, are all those between the revisions.
func (m *Message) check() error {
	last := m.Follows
	for _, commit := range m.Commits {
		if commit.Revision != last+1 {
			return fmt.Errorf("%w: revision %d after %d", errMalformed, commit.Revision, last)
		}
		last = commit.Revision
	}
	if last != m.Through && len(m.Commits) > 0 {
		return fmt.Errorf("%w: ends at revision %d, not %d", errMalformed, last, m.Through)
	}
	return nil
}

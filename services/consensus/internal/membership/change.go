package membership

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/identity"
)

const (
	// LearnersMax bounds how many members may be fed by the leader without helping it. etcd allows one.
	LearnersMax = 16
	// RemovedIDsMax bounds the ids of removed members that are remembered, to refuse them by name; all members forget the
	// same one. Ids are random, so that a forgotten one is an unknown one, which is refused as well.
	RemovedIDsMax = 1000
)

// changeErrors are those with which Change declines, on every member alike and without effect.
var changeErrors = []error{
	errdefs.ErrMemberNotFound,
	errdefs.ErrMemberRemoved,
	errdefs.ErrMemberExists,
	errdefs.ErrPeerInUse,
	errdefs.ErrTooManyLearners,
	errdefs.ErrNotLearner,
}

// IsChangeError tells the errors with which Change declines from those of a change that cannot be read.
func IsChangeError(err error) bool {
	return slices.ContainsFunc(changeErrors, func(refusal error) bool { return errors.Is(err, refusal) })
}

// Find returns a member, nil if it does not belong to the cluster.
func Find(version *consensusv1.MembersResponse, id uint64) *consensusv1.Member {
	for _, member := range version.GetMembers() {
		if member.GetId() == id {
			return member
		}
	}
	return nil
}

// Change returns the version of the members that follows from a committed change, or a refusal of errdefs (see IsChangeError): then
// raft must be given an empty change in its place. A version is not changed any more once it is made.
func Change(version *consensusv1.MembersResponse, change *raftpb.ConfChange) (*consensusv1.MembersResponse, error) {
	id := change.GetNodeId()
	var member *consensusv1.Member
	if change.GetType() != raftpb.ConfChangeRemoveNode {
		member = &consensusv1.Member{}
		if err := proto.Unmarshal(change.GetContext(), member); err != nil {
			return nil, fmt.Errorf("decode the member of a membership change: %w", err)
		}
		member.Id = id
		member.IsLearner = change.GetType() == raftpb.ConfChangeAddLearnerNode
	}
	if err := check(version, change, member); err != nil {
		return nil, fmt.Errorf("membership change of %s: %w", identity.Format(id), err)
	}
	old := Find(version, id)
	switch change.GetType() {
	case raftpb.ConfChangeRemoveNode:
		next := without(version, id)
		next.RemovedIds = append(next.RemovedIds, id)
		next.RemovedIds = next.RemovedIds[max(0, len(next.RemovedIds)-RemovedIDsMax):]
		return next, nil
	case raftpb.ConfChangeUpdateNode:
		updated := proto.CloneOf(old)
		updated.PeerUrls = member.GetPeerUrls()
		return with(version, updated), nil
	default:
		if old != nil { // a promotion
			member = proto.CloneOf(old)
			member.IsLearner = false
		}
		return with(version, member), nil
	}
}

// publish returns the version in which a member has made itself known, and that member; nil where it was removed meanwhile, or has
// another incarnation: it has lost its data.
func publish(version *consensusv1.MembersResponse, op *consensusv1.PublishOp) (*consensusv1.MembersResponse, *consensusv1.Member) {
	old := Find(version, op.GetMemberId())
	if old == nil || otherIncarnation(old.GetIncarnation(), op.GetIncarnation()) {
		return nil, nil
	}
	updated := proto.CloneOf(old)
	updated.Name, updated.ClientUrls = op.GetName(), op.GetClientUrls()
	updated.Incarnation = cmp.Or(op.GetIncarnation(), old.GetIncarnation())
	return with(version, updated), updated
}

// with returns a version with a member added or replaced.
func with(version *consensusv1.MembersResponse, member *consensusv1.Member) *consensusv1.MembersResponse {
	next := without(version, member.GetId())
	next.Members = append(next.Members, member)
	slices.SortFunc(next.Members, func(a, b *consensusv1.Member) int { return cmp.Compare(a.GetId(), b.GetId()) })
	return next
}

// without returns a version with a member left out.
func without(version *consensusv1.MembersResponse, id uint64) *consensusv1.MembersResponse {
	return &consensusv1.MembersResponse{
		Members: slices.DeleteFunc(slices.Clone(version.GetMembers()), func(member *consensusv1.Member) bool {
			return member.GetId() == id
		}),
		RemovedIds: slices.Clone(version.GetRemovedIds()),
	}
}

// wasRemoved tells whether an id was a member's and can never be again.
func wasRemoved(version *consensusv1.MembersResponse, id uint64) bool {
	return slices.Contains(version.GetRemovedIds(), id)
}

// check returns why a change is refused, or nil.
func check(version *consensusv1.MembersResponse, change *raftpb.ConfChange, member *consensusv1.Member) error {
	id := change.GetNodeId()
	old := Find(version, id)
	if wasRemoved(version, id) {
		return errdefs.ErrMemberRemoved
	}
	switch change.GetType() {
	case raftpb.ConfChangeRemoveNode:
		if old == nil {
			return errdefs.ErrMemberNotFound
		}
		return nil
	case raftpb.ConfChangeUpdateNode:
		if old == nil {
			return errdefs.ErrMemberNotFound
		}
		return checkURLs(version, id, member.GetPeerUrls())
	case raftpb.ConfChangeAddLearnerNode:
		if learners(version.GetMembers()) >= LearnersMax {
			return errdefs.ErrTooManyLearners
		}
	case raftpb.ConfChangeAddNode:
		// A member that is there already is promoted by being added as a voter.
		if old != nil && len(member.GetPeerUrls()) == 0 {
			if !old.GetIsLearner() {
				return errdefs.ErrNotLearner
			}
			return nil
		}
		if old == nil && len(member.GetPeerUrls()) == 0 {
			return errdefs.ErrMemberNotFound
		}
	}
	if old != nil {
		return errdefs.ErrMemberExists
	}
	return checkURLs(version, id, member.GetPeerUrls())
}

// checkURLs refuses peer URLs that another member has.
func checkURLs(version *consensusv1.MembersResponse, id uint64, urls []string) error {
	for _, member := range version.GetMembers() {
		if member.GetId() == id {
			continue
		}
		for _, url := range member.GetPeerUrls() {
			if slices.Contains(urls, url) {
				return errdefs.ErrPeerInUse
			}
		}
	}
	return nil
}

func learners(members []*consensusv1.Member) int {
	n := 0
	for _, member := range members {
		if member.GetIsLearner() {
			n++
		}
	}
	return n
}

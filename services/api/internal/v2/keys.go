package v2

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/treepath"
	"github.com/quoratedb/quorate/services/api/internal/calls"
)

// keys serves /v2/keys and everything below.
func (s *Server) keys(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodHead, http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete) {
		return
	}
	s.setCluster(r.Context(), w)
	q, refused := read(r, s.Now())
	switch {
	case refused != nil:
		refused.write(w)
	case !treepath.Fits([]byte(q.path)):
		newKeysError(codeInvalidField, fmt.Sprintf("a path has at most %d names and %d bytes", treepath.DepthMax, treepath.BytesMax)).write(w)
	case q.wait:
		s.watch(w, r, q)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		s.get(w, r, q)
	default:
		s.change(w, r, q)
	}
}

func (s *Server) get(w http.ResponseWriter, r *http.Request, q *query) {
	ctx, cancel := s.bound(r)
	defer cancel()
	var found *consensusv1.ReadTreeResponse
	err := s.forCaller(ctx, r, func(caller *consensusv1.Caller) (err error) {
		found, err = s.Tree.ReadTree(calls.CountFor(ctx, w), &consensusv1.ReadTreeRequest{
			Path:      []byte(q.path),
			Recursive: q.recursive,
			// A HEAD never asks the other members.
			Serializable: !q.quorum || r.Method == http.MethodHead,
			Caller:       caller,
		})
		return err
	})
	if err == nil && found.GetNode().GetDir() {
		err = s.countListing(ctx, r)
	}
	switch {
	case err != nil:
		s.internal(ctx, w, err)
	case found.GetFailure() != nil:
		storeError(found.GetFailure(), found.GetRevision()).write(w)
	default:
		setIndex(w, found.GetRevision(), found.GetRaftIndex(), found.GetRaftTerm())
		writeEvent(w, http.StatusOK, &event{Action: actionGet, Node: fromNode(found.GetNode(), s.Now())})
	}
}

func (s *Server) change(w http.ResponseWriter, r *http.Request, q *query) {
	if len(q.path)+len(q.value)+len(q.prevValue) > s.RequestBytesMax {
		s.internal(r.Context(), w, errdefs.ErrTooLarge)
		return
	}
	ctx, cancel := s.bound(r)
	defer cancel()
	op := q.operation()
	var done *consensusv1.ProposeResponse
	err := s.forCaller(ctx, r, func(caller *consensusv1.Caller) (err error) {
		done, err = s.Consensus.Propose(ctx, &consensusv1.ProposeRequest{
			Command: &consensusv1.Command{Command: &consensusv1.Command_Tree{Tree: op}}, Caller: caller,
		})
		return err
	})
	if err != nil {
		s.internal(ctx, w, err)
		return
	}
	result := done.GetResult()
	if f := result.GetTree().GetFailure(); f != nil {
		storeError(f, result.GetRevision()).write(w)
		return
	}
	setIndex(w, result.GetRevision(), result.GetRaftIndex(), result.GetRaftTerm())
	made := newEvent(op.GetAction(), result.GetTree().GetNode(), result.GetTree().GetPrevNode(), s.Now())
	if result.GetTree().GetConcealed() {
		made.conceal(op.GetRefresh())
	}
	status := http.StatusOK
	if made.Action == actionCreate || made.Action == actionSet && made.Prev == nil {
		status = http.StatusCreated
	}
	if q.valueless && r.Method != http.MethodDelete {
		made = &event{Action: made.Action}
	}
	writeEvent(w, status, made)
}

// operation returns what a PUT, POST or DELETE asks for.
func (q *query) operation() *consensusv1.TreeOp {
	op := &consensusv1.TreeOp{Action: q.action(), Path: []byte(q.path)}
	switch op.GetAction() {
	case consensusv1.TreeAction_TREE_ACTION_DELETE:
		op.Dir, op.Recursive = q.dir, q.recursive
		return op
	case consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_DELETE:
		op.PrevValue, op.PrevIndex = []byte(q.prevValue), q.prevIndex
		return op
	case consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_SWAP:
		op.PrevValue, op.PrevIndex = []byte(q.prevValue), q.prevIndex
	}
	op.Value, op.Expiration = []byte(q.value), q.expiration
	switch {
	case q.method == http.MethodPost:
		op.InOrder, op.Dir = true, q.dir
	case op.GetAction() == consensusv1.TreeAction_TREE_ACTION_SET, op.GetAction() == consensusv1.TreeAction_TREE_ACTION_CREATE:
		op.Refresh, op.Dir = q.refresh, q.dir
	default:
		op.Refresh = q.refresh
	}
	if op.GetDir() {
		op.Value = nil
	}
	return op
}

func (q *query) action() consensusv1.TreeAction {
	compares := q.prevValue != "" || q.prevIndex != 0
	switch {
	case q.method == http.MethodDelete && compares:
		return consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_DELETE
	case q.method == http.MethodDelete:
		return consensusv1.TreeAction_TREE_ACTION_DELETE
	case q.method == http.MethodPost, q.prevExist != nil && !*q.prevExist:
		return consensusv1.TreeAction_TREE_ACTION_CREATE
	case compares:
		return consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_SWAP
	case q.prevExist != nil:
		return consensusv1.TreeAction_TREE_ACTION_UPDATE
	}
	return consensusv1.TreeAction_TREE_ACTION_SET
}

// internal answers that the store failed, or did not answer in time. That a request, or its answer, is too large is the
// client's fault, and that the client may not do what it asks for.
func (s *Server) internal(ctx context.Context, w http.ResponseWriter, err error) {
	if denied(err) {
		newKeysError(codeNoAccess, noAccess).write(w)
		return
	}
	if errors.Is(err, errTooMany) {
		writeJSON(w, http.StatusTooManyRequests, newKeysError(codeRaftInternal, err.Error())) // etcd's code, but none after which clients go elsewhere
		return
	}
	c := codeRaftInternal
	if errors.Is(err, errdefs.ErrTooLarge) {
		c = codeInvalidForm
	}
	newKeysError(c, s.inClientsWords(ctx, err)).write(w)
}

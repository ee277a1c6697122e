package consensus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/auth"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/statemachine"
)

// internalCaller stands for the store itself.
var internalCaller = &consensusv1.Caller{Internal: true}

// confirmMax is how long a refusal that rests on this member's state alone may wait for that to be confirmed.
const confirmMax = 3 * time.Second

// callers finds out for whom requests are, and whether they may be carried out. Commands are checked once more where they are
// applied, which is what counts.
type callers struct {
	gate      *gate.Gate
	reader    *reader
	tokens    *auth.Tokens
	passwords *auth.Passwords
	// compactRoot leaves compactions to root.
	compactRoot bool
}

// state is the users and roles that are applied here.
func (c *callers) state() (*auth.State, error) { return c.gate.Machine().Auth() }

// refusedHere tells the errors by which a state that lags behind may refuse what a newer one would not.
func refusedHere(err error) bool {
	for _, refusal := range []error{
		errdefs.ErrPermissionDenied, errdefs.ErrUserNotFound, errdefs.ErrInvalidAuthToken, errdefs.ErrAuthNotEnabled, errdefs.ErrAuthFailed,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// confirmed calls decide with the users and roles that are applied here and, where it refuses, once more after this member has
// caught up with the others: what was granted elsewhere, and acknowledged, counts here too.
func (c *callers) confirmed(ctx context.Context, decide func(*auth.State) error) error {
	state, err := c.state()
	if err != nil {
		return err
	}
	refusal := decide(state)
	if !refusedHere(refusal) {
		return refusal
	}
	bounded, cancel := context.WithTimeout(ctx, confirmMax)
	defer cancel()
	if err := c.reader.linearize(bounded); err != nil {
		return refusal // nobody says otherwise
	}
	newer, err := c.state()
	if err != nil {
		return err
	}
	if newer == state {
		return refusal
	}
	return decide(newer)
}

// command makes the command that is logged: with its caller, by a name that is known to be theirs.
func (c *callers) command(ctx context.Context, req *consensusv1.ProposeRequest) (*consensusv1.Command, error) {
	command := req.GetCommand()
	state, err := c.state()
	if err != nil {
		return nil, err
	}
	if !state.Enabled() {
		if caller := req.GetCaller(); caller.GetToken() != "" || caller.GetInvalid() || caller == nil {
			return c.prepared(ctx, command)
		}
	}
	var resolved *consensusv1.Caller
	err = c.confirmed(ctx, func(state *auth.State) (err error) {
		if resolved, err = state.Resolve(req.GetCaller(), c.tokens.Verify); err != nil {
			return err
		}
		return c.mayPropose(state, resolved, command)
	})
	if err != nil {
		return nil, fmt.Errorf("propose: %w", err)
	}
	prepared, err := c.prepared(ctx, command)
	if err != nil {
		return nil, err
	}
	return &consensusv1.Command{Command: prepared.GetCommand(), Caller: resolved}, nil
}

// mayPropose refuses, before it costs a log entry, what needs no look at keys to be refused.
func (c *callers) mayPropose(state *auth.State, caller *consensusv1.Caller, command *consensusv1.Command) error {
	switch command.GetCommand().(type) {
	case *consensusv1.Command_Auth, *consensusv1.Command_Alarm, *consensusv1.Command_Quota:
		return state.OfCommand(caller, command, nil)
	case *consensusv1.Command_Compact:
		if c.compactRoot {
			return state.CheckRoot(caller)
		}
	}
	return state.CheckAnyone(caller)
}

// prepared gives a change of users what only one member may draw or compute: a secret, the hash of a password.
func (c *callers) prepared(ctx context.Context, command *consensusv1.Command) (*consensusv1.Command, error) {
	op := command.GetAuth()
	if op.GetEnable() == nil && op.GetUserAdd() == nil && op.GetUserChangePassword() == nil && op.GetSteps() == nil {
		return command, nil
	}
	op = proto.CloneOf(op)
	if err := c.complete(ctx, op); err != nil {
		return nil, fmt.Errorf("hash a password: %w", err)
	}
	return &consensusv1.Command{Command: &consensusv1.Command_Auth{Auth: op}}, nil
}

// complete fills in what prepared is for.
func (c *callers) complete(ctx context.Context, op *consensusv1.AuthOp) (err error) {
	switch o := op.GetOp().(type) {
	case *consensusv1.AuthOp_Enable:
		o.Enable.TokenSecret = auth.NewSecret()
	case *consensusv1.AuthOp_UserAdd:
		if !o.UserAdd.GetNoPassword() {
			o.UserAdd.PasswordHash, err = c.passwords.Hash(ctx, o.UserAdd.GetPassword())
		}
		o.UserAdd.Password = ""
	case *consensusv1.AuthOp_UserChangePassword:
		if o.UserChangePassword.GetPassword() != "" { // else its hash was given, as etcd's clients may; none lets nobody in
			o.UserChangePassword.PasswordHash, err = c.passwords.Hash(ctx, o.UserChangePassword.GetPassword())
		}
		o.UserChangePassword.Password = ""
	case *consensusv1.AuthOp_Steps:
		for _, step := range o.Steps.GetSteps() {
			if err := c.complete(ctx, step); err != nil {
				return err
			}
		}
	}
	return err
}

// called is what a read says of its caller.
type called interface{ GetCaller() *consensusv1.Caller }

// readRange runs fn on a state that is fit for the request, if its caller may have the range: errdefs.ErrPermissionDenied,
// ErrUserEmpty, ErrInvalidAuthToken and ErrAuthOldRevision.
func (c *callers) readRange(ctx context.Context, req interface {
	stale
	called
	GetRange() *consensusv1.RangeOp
}, fn func(*gate.Tenure) error,
) error {
	return c.confirmedRead(ctx, req, func() error {
		return c.reader.readSeen(ctx, req, func(t *gate.Tenure) error {
			return permitted(t, func(state *auth.State) error { return state.CheckRange(req.GetCaller(), c.tokens, req.GetRange()) }, func() error { return fn(t) })
		})
	})
}

// readTxn is readRange for a transaction.
func (c *callers) readTxn(ctx context.Context, req *consensusv1.ReadTxnRequest, fn func(*gate.Tenure) error) error {
	return c.read(ctx, req, auth.OfTxn(req.GetTxn()), fn)
}

// read is readRange for whatever needs says.
func (c *callers) read(ctx context.Context, req interface {
	stale
	called
}, needs auth.Needs, fn func(*gate.Tenure) error,
) error {
	return c.confirmedRead(ctx, req, func() error {
		return c.reader.readSeen(ctx, req, func(t *gate.Tenure) error {
			return permitted(t, func(state *auth.State) error { return c.mayRead(ctx, t, state, req.GetCaller(), needs) }, func() error { return fn(t) })
		})
	})
}

// permitted runs a read in a tenure, if may allows it. It is asked before, so that nothing is read in vain, and again after where
// rights have changed meanwhile.
func permitted(t *gate.Tenure, may func(*auth.State) error, read func() error) error {
	before, err := t.Machine.Auth()
	if err != nil {
		return err
	}
	if err := may(before); err != nil {
		return err
	}
	if err := read(); err != nil {
		return err
	}
	after, err := t.Machine.Auth()
	if err != nil || after == before {
		return err
	}
	return may(after)
}

// permittedTree is permitted for a path of the tree: a file is its key, a directory everything below it, and which of the two it
// is shows only when it is read. That nothing is there, whoever may read either may know.
func (c *callers) permittedTree(ctx context.Context, t *gate.Tenure, req *consensusv1.ReadTreeRequest, read func() (*consensusv1.TreeNode, error)) error {
	file, below := auth.OfFile(req.GetPath()), auth.OfDirectory(req.GetPath())
	before, err := t.Machine.Auth()
	if err != nil {
		return err
	}
	either := func(state *auth.State) error {
		err := c.mayRead(ctx, t, state, req.GetCaller(), file)
		if err != nil && c.mayRead(ctx, t, state, req.GetCaller(), below) == nil {
			err = nil
		}
		return err
	}
	if err := either(before); err != nil {
		return err
	}
	node, err := read()
	if err != nil {
		return err
	}
	after, err := t.Machine.Auth()
	if err != nil {
		return err
	}
	switch {
	case node == nil:
		return either(after)
	case node.GetDir():
		return c.mayRead(ctx, t, after, req.GetCaller(), below)
	}
	return c.mayRead(ctx, t, after, req.GetCaller(), file)
}

func (c *callers) mayRead(ctx context.Context, t *gate.Tenure, state *auth.State, caller *consensusv1.Caller, needs auth.Needs) error {
	if !state.Enabled() {
		return nil
	}
	resolved, err := state.Resolve(caller, c.tokens.Verify)
	if err != nil {
		return err
	}
	return state.Check(resolved, needs, attachments(ctx, t.Store))
}

// attachments asks the state that is applied here.
func attachments(ctx context.Context, store *mvcc.Store) auth.Attachments {
	return func(lease int64, within []auth.Interval) (bool, error) {
		return mvcc.AttachedIn(ctx, store, lease, statemachine.Spans(within))
	}
}

// confirmedRead runs a read and, if a state that may lag behind has refused its caller, once more after this member has caught up.
func (c *callers) confirmedRead(ctx context.Context, req stale, read func() error) error {
	err := read()
	if !req.GetSerializable() || !refusedHere(err) {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, confirmMax)
	defer cancel()
	if c.reader.linearize(bounded) != nil {
		return err
	}
	return read()
}

package auth

import (
	"bytes"
	"math"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Need is one thing that a request needs: to read or write the keys from Key to RangeEnd, as the request has them, or, where
// Lease is not 0, every key that is attached to that lease.
type Need struct {
	Type          consensusv1.Permission_Type
	Key, RangeEnd []byte
	Lease         int64
}

// Needs calls ask with everything that a request needs, until that fails, and returns its error.
type Needs func(ask func(Need) error) error

func read(key, end []byte) Need {
	return Need{Type: consensusv1.Permission_TYPE_READ, Key: key, RangeEnd: end}
}

func write(key, end []byte) Need {
	return Need{Type: consensusv1.Permission_TYPE_WRITE, Key: key, RangeEnd: end}
}

// All needs one thing after the other.
func All(needs ...Need) Needs {
	return func(ask func(Need) error) error { return each(ask, needs...) }
}

func each(ask func(Need) error, needs ...Need) error {
	for _, n := range needs {
		if err := ask(n); err != nil {
			return err
		}
	}
	return nil
}

// OfCommand says whether a caller may have a command carried out on a state. A command that is not listed here is refused.
func (s *State) OfCommand(c *consensusv1.Caller, command *consensusv1.Command, attached Attachments) error {
	switch o := command.GetCommand().(type) {
	case *consensusv1.Command_Put:
		return s.Check(c, func(ask func(Need) error) error { return ofPut(ask, o.Put) }, attached)
	case *consensusv1.Command_DeleteRange:
		return s.Check(c, func(ask func(Need) error) error { return ofDelete(ask, o.DeleteRange) }, attached)
	case *consensusv1.Command_Txn:
		return s.Check(c, OfTxn(o.Txn), attached)
	case *consensusv1.Command_Tree:
		if o.Tree.GetAction() == consensusv1.TreeAction_TREE_ACTION_EXPIRE {
			return s.CheckInternal(c)
		}
		return s.Check(c, ofTree(o.Tree), attached)
	case *consensusv1.Command_LeaseRevoke:
		if o.LeaseRevoke.GetEpoch() != 0 {
			return s.CheckInternal(c)
		}
		return s.Check(c, ofLeases(o.LeaseRevoke.GetIds()), attached)
	case *consensusv1.Command_Compact, *consensusv1.Command_LeaseGrant:
		return s.CheckAnyone(c)
	case *consensusv1.Command_Auth:
		if o.Auth.GetExtendTokens() != nil {
			return s.CheckInternal(c)
		}
		return s.CheckRoot(c)
	case *consensusv1.Command_Quota:
		if o.Quota.GetSum() != nil {
			return s.CheckInternal(c)
		}
		return s.CheckRoot(c)
	case *consensusv1.Command_Alarm:
		return s.CheckRoot(c)
	}
	return s.CheckInternal(c)
}

// OfRange is what a range needs.
func OfRange(op *consensusv1.RangeOp) Needs { return All(read(op.GetKey(), op.GetRangeEnd())) }

// OfInspection is what a look at the store needs: to read the key, or all keys that begin with the prefix.
func OfInspection(req *consensusv1.InspectRequest) Needs {
	switch r := req.GetRequest().(type) {
	case *consensusv1.InspectRequest_Children:
		return All(readPrefix(r.Children.GetPrefix()))
	case *consensusv1.InspectRequest_History:
		return All(read(r.History.GetKey(), nil))
	case *consensusv1.InspectRequest_Deleted:
		return All(readPrefix(r.Deleted.GetPrefix()))
	case *consensusv1.InspectRequest_Changes:
		return All(readPrefix(r.Changes.GetPrefix()))
	}
	return All(readPrefix(nil))
}

// readPrefix is to read all keys that begin with a prefix, which may be empty.
func readPrefix(prefix []byte) Need {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			end := bytes.Clone(prefix[:i+1])
			end[i]++
			return read(prefix, end)
		}
	}
	// All from the prefix on begin with it.
	return read(prefix, []byte{0})
}

// OfTxn is what a transaction needs, whichever branches it would take: what it may not do it must not learn by comparisons either.
func OfTxn(op *consensusv1.TxnOp) Needs {
	return func(ask func(Need) error) error { return ofTxn(ask, op) }
}

func ofTxn(ask func(Need) error, op *consensusv1.TxnOp) error {
	for _, c := range op.GetCompare() {
		if err := ask(read(c.GetKey(), c.GetRangeEnd())); err != nil {
			return err
		}
	}
	for _, branch := range [...][]*consensusv1.Op{op.GetSuccess(), op.GetFailure()} {
		for _, o := range branch {
			if err := ofOp(ask, o); err != nil {
				return err
			}
		}
	}
	return nil
}

func ofOp(ask func(Need) error, op *consensusv1.Op) error {
	switch o := op.GetOp().(type) {
	case *consensusv1.Op_Range:
		return ask(read(o.Range.GetKey(), o.Range.GetRangeEnd()))
	case *consensusv1.Op_Put:
		return ofPut(ask, o.Put)
	case *consensusv1.Op_DeleteRange:
		return ofDelete(ask, o.DeleteRange)
	case *consensusv1.Op_Txn:
		return ofTxn(ask, o.Txn)
	}
	return nil
}

// ofPut: who attaches a key to a lease has its other keys end with this one, so they must be theirs to write.
func ofPut(ask func(Need) error, op *consensusv1.PutOp) error {
	if err := ask(write(op.GetKey(), nil)); err != nil {
		return err
	}
	if op.GetLease() != 0 {
		if err := ask(Need{Type: consensusv1.Permission_TYPE_WRITE, Lease: op.GetLease()}); err != nil {
			return err
		}
	}
	if op.GetPrevKv() {
		return ask(read(op.GetKey(), nil))
	}
	return nil
}

func ofDelete(ask func(Need) error, op *consensusv1.DeleteRangeOp) error {
	if err := ask(write(op.GetKey(), op.GetRangeEnd())); err != nil {
		return err
	}
	if op.GetPrevKv() {
		return ask(read(op.GetKey(), op.GetRangeEnd()))
	}
	return nil
}

func ofLeases(ids []int64) Needs {
	return func(ask func(Need) error) error {
		for _, id := range ids {
			if err := ask(Need{Type: consensusv1.Permission_TYPE_WRITE, Lease: id}); err != nil {
				return err
			}
		}
		return nil
	}
}

// ofTree: a file is its key, a directory everything below it. Whether a comparison holds tells what is there.
func ofTree(op *consensusv1.TreeOp) Needs {
	below := op.GetDir() || op.GetRecursive() || op.GetInOrder()
	return func(ask func(Need) error) error {
		if !op.GetInOrder() {
			if err := ask(write(op.GetPath(), nil)); err != nil {
				return err
			}
		}
		if len(op.GetPrevValue()) > 0 || op.GetPrevIndex() != 0 {
			if err := ask(read(op.GetPath(), nil)); err != nil {
				return err
			}
		}
		if below {
			return ask(Below(consensusv1.Permission_TYPE_WRITE, op.GetPath()))
		}
		return nil
	}
}

// AllLeases in a need stands for every lease.
const AllLeases = math.MinInt64

// OfRequest is what somebody asks to be authorized for.
func OfRequest(req *consensusv1.AuthorizeRequest) Needs {
	return func(ask func(Need) error) error {
		for _, access := range req.GetAccesses() {
			if err := ofAccess(ask, access); err != nil {
				return err
			}
		}
		if req.GetLease() != 0 {
			if err := ask(Need{Type: req.GetLeaseAccess(), Lease: req.GetLease()}); err != nil {
				return err
			}
		}
		if req.GetAllLeases() {
			return ask(Need{Type: consensusv1.Permission_TYPE_READ, Lease: AllLeases})
		}
		return nil
	}
}

func ofAccess(ask func(Need) error, access *consensusv1.Access) error {
	if access.GetType() != consensusv1.Permission_TYPE_WRITE {
		if err := ask(read(access.GetKey(), access.GetRangeEnd())); err != nil {
			return err
		}
	}
	if access.GetType() != consensusv1.Permission_TYPE_READ {
		return ask(write(access.GetKey(), access.GetRangeEnd()))
	}
	return nil
}

// OfFile is what the read of a file of the tree needs, OfDirectory that of a directory.
func OfFile(path []byte) Needs { return All(read(path, nil)) }

// OfDirectory is for OfFile.
func OfDirectory(path []byte) Needs { return All(Below(consensusv1.Permission_TYPE_READ, path)) }

// Below is everything below a directory of the tree.
func Below(kind consensusv1.Permission_Type, path []byte) Need {
	low := append(append([]byte{}, path...), '/')
	if len(path) == 1 { // the root
		low = []byte{'/'}
	}
	high := append([]byte{}, low...)
	high[len(high)-1]++ // '/' is not the last byte
	return Need{Type: kind, Key: low, RangeEnd: high}
}

package etcdreplay

import (
	"encoding/base64"
	"fmt"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/crypto/bcrypt"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// commandOf returns the command that a request is, nil for one that changes nothing of the state.
func commandOf(r *etcdserverpb.InternalRaftRequest) (*consensusv1.Command, error) {
	switch {
	case r.GetPut() != nil:
		return &consensusv1.Command{Command: &consensusv1.Command_Put{Put: putOf(r.GetPut())}}, nil
	case r.GetDeleteRange() != nil:
		return &consensusv1.Command{Command: &consensusv1.Command_DeleteRange{DeleteRange: deleteOf(r.GetDeleteRange())}}, nil
	case r.GetTxn() != nil:
		return &consensusv1.Command{Command: &consensusv1.Command_Txn{Txn: txnOf(r.GetTxn())}}, nil
	case r.GetCompaction() != nil:
		return &consensusv1.Command{Command: &consensusv1.Command_Compact{Compact: &consensusv1.CompactOp{Revision: r.GetCompaction().GetRevision()}}}, nil
	case r.GetLeaseGrant() != nil:
		op := &consensusv1.LeaseGrantOp{Id: r.GetLeaseGrant().GetID(), Ttl: r.GetLeaseGrant().GetTTL()}
		return &consensusv1.Command{Command: &consensusv1.Command_LeaseGrant{LeaseGrant: op}}, nil
	case r.GetLeaseRevoke() != nil:
		op := &consensusv1.LeaseRevokeOp{Ids: []int64{r.GetLeaseRevoke().GetID()}}
		return &consensusv1.Command{Command: &consensusv1.Command_LeaseRevoke{LeaseRevoke: op}}, nil
	case r.GetLeaseCheckpoint() != nil:
		op := &consensusv1.LeaseCheckpointOp{}
		for _, c := range r.GetLeaseCheckpoint().GetCheckpoints() {
			op.Leases = append(op.Leases, &consensusv1.LeaseCheckpointOp_Remaining{Id: c.GetID(), Ttl: c.GetRemaining_TTL()})
		}
		return &consensusv1.Command{Command: &consensusv1.Command_LeaseCheckpoint{LeaseCheckpoint: op}}, nil
	}
	op, err := authOf(r)
	if op == nil || err != nil {
		return nil, err
	}
	return &consensusv1.Command{Command: &consensusv1.Command_Auth{Auth: op}}, nil
}

// authOf returns the change of users and roles that a request is, nil for none.
func authOf(r *etcdserverpb.InternalRaftRequest) (*consensusv1.AuthOp, error) {
	switch {
	case r.GetAuthEnable() != nil:
		return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_Enable{Enable: &consensusv1.AuthEnableOp{}}}, nil
	case r.GetAuthDisable() != nil:
		return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_Disable{Disable: &consensusv1.AuthDisableOp{}}}, nil
	case r.GetAuthUserAdd() != nil:
		q := r.GetAuthUserAdd()
		op := &consensusv1.UserAddOp{Name: q.GetName(), NoPassword: q.GetOptions().GetNoPassword()}
		var err error
		if !op.GetNoPassword() {
			op.PasswordHash, err = passwordHash(q.GetPassword(), q.GetHashedPassword())
		}
		return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserAdd{UserAdd: op}}, err
	case r.GetAuthUserDelete() != nil:
		return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserDelete{UserDelete: &consensusv1.UserDeleteOp{Name: r.GetAuthUserDelete().GetName()}}}, nil
	case r.GetAuthUserChangePassword() != nil:
		q := r.GetAuthUserChangePassword()
		hash, err := passwordHash(q.GetPassword(), q.GetHashedPassword())
		return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserChangePassword{UserChangePassword: &consensusv1.UserChangePasswordOp{Name: q.GetName(), PasswordHash: hash}}}, err
	case r.GetAuthUserGrantRole() != nil:
		q := r.GetAuthUserGrantRole()
		return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserGrantRole{UserGrantRole: &consensusv1.UserGrantRoleOp{Name: q.GetUser(), Role: q.GetRole()}}}, nil
	case r.GetAuthUserRevokeRole() != nil:
		q := r.GetAuthUserRevokeRole()
		return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserRevokeRole{UserRevokeRole: &consensusv1.UserRevokeRoleOp{Name: q.GetName(), Role: q.GetRole()}}}, nil
	}
	return roleOf(r), nil
}

// roleOf is authOf's part of roles.
func roleOf(r *etcdserverpb.InternalRaftRequest) *consensusv1.AuthOp {
	switch {
	case r.GetAuthRoleAdd() != nil:
		return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleAdd{RoleAdd: &consensusv1.RoleAddOp{Name: r.GetAuthRoleAdd().GetName()}}}
	case r.GetAuthRoleDelete() != nil:
		return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleDelete{RoleDelete: &consensusv1.RoleDeleteOp{Name: r.GetAuthRoleDelete().GetRole()}}}
	case r.GetAuthRoleGrantPermission() != nil:
		q := r.GetAuthRoleGrantPermission()
		op := &consensusv1.RoleGrantPermissionOp{Name: q.GetName()}
		if p := q.GetPerm(); p != nil {
			op.Permission = &consensusv1.Permission{Type: consensusv1.Permission_Type(p.GetPermType()), Key: p.GetKey(), RangeEnd: p.GetRangeEnd()}
		}
		return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleGrantPermission{RoleGrantPermission: op}}
	case r.GetAuthRoleRevokePermission() != nil:
		q := r.GetAuthRoleRevokePermission()
		op := &consensusv1.RoleRevokePermissionOp{Name: q.GetRole(), Key: q.GetKey(), RangeEnd: q.GetRangeEnd()}
		return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleRevokePermission{RoleRevokePermission: op}}
	}
	return nil
}

// passwordHash returns the hash of a password. Early releases of 3.4 have the password itself in the log.
func passwordHash(password, hashed string) ([]byte, error) {
	if hashed == "" && password != "" {
		return bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	}
	hash, err := base64.StdEncoding.DecodeString(hashed)
	if err != nil {
		return nil, fmt.Errorf("a password's hash is no base64: %w", err)
	}
	return hash, nil
}

func putOf(r *etcdserverpb.PutRequest) *consensusv1.PutOp {
	return &consensusv1.PutOp{
		Key: r.GetKey(), Value: r.GetValue(), Lease: r.GetLease(), PrevKv: r.GetPrevKv(), IgnoreValue: r.GetIgnoreValue(), IgnoreLease: r.GetIgnoreLease(),
	}
}

func deleteOf(r *etcdserverpb.DeleteRangeRequest) *consensusv1.DeleteRangeOp {
	return &consensusv1.DeleteRangeOp{Key: r.GetKey(), RangeEnd: r.GetRangeEnd(), PrevKv: r.GetPrevKv()}
}

// rangeOf keeps of a read in a transaction what may have the transaction refused; nobody sees what it reads.
func rangeOf(r *etcdserverpb.RangeRequest) *consensusv1.RangeOp {
	return &consensusv1.RangeOp{Key: r.GetKey(), RangeEnd: r.GetRangeEnd(), Revision: r.GetRevision(), CountOnly: true}
}

func txnOf(r *etcdserverpb.TxnRequest) *consensusv1.TxnOp {
	op := &consensusv1.TxnOp{Success: opsOf(r.GetSuccess()), Failure: opsOf(r.GetFailure())}
	for _, c := range r.GetCompare() {
		op.Compare = append(op.Compare, compareOf(c))
	}
	return op
}

func opsOf(requests []*etcdserverpb.RequestOp) []*consensusv1.Op {
	var ops []*consensusv1.Op
	for _, request := range requests {
		switch r := request.GetRequest().(type) {
		case *etcdserverpb.RequestOp_RequestRange:
			ops = append(ops, &consensusv1.Op{Op: &consensusv1.Op_Range{Range: rangeOf(r.RequestRange)}})
		case *etcdserverpb.RequestOp_RequestPut:
			ops = append(ops, &consensusv1.Op{Op: &consensusv1.Op_Put{Put: putOf(r.RequestPut)}})
		case *etcdserverpb.RequestOp_RequestDeleteRange:
			ops = append(ops, &consensusv1.Op{Op: &consensusv1.Op_DeleteRange{DeleteRange: deleteOf(r.RequestDeleteRange)}})
		case *etcdserverpb.RequestOp_RequestTxn:
			ops = append(ops, &consensusv1.Op{Op: &consensusv1.Op_Txn{Txn: txnOf(r.RequestTxn)}})
		}
	}
	return ops
}

// compareOf gives a comparison the operand of the target that it names.
func compareOf(r *etcdserverpb.Compare) *consensusv1.Compare {
	op := &consensusv1.Compare{Key: r.GetKey(), RangeEnd: r.GetRangeEnd()}
	switch r.GetResult() {
	case etcdserverpb.Compare_EQUAL:
		op.Relation = consensusv1.Compare_RELATION_EQUAL
	case etcdserverpb.Compare_GREATER:
		op.Relation = consensusv1.Compare_RELATION_GREATER
	case etcdserverpb.Compare_LESS:
		op.Relation = consensusv1.Compare_RELATION_LESS
	case etcdserverpb.Compare_NOT_EQUAL:
		op.Relation = consensusv1.Compare_RELATION_NOT_EQUAL
	}
	switch r.GetTarget() {
	case etcdserverpb.Compare_VERSION:
		op.Target = &consensusv1.Compare_Version{Version: r.GetVersion()}
	case etcdserverpb.Compare_CREATE:
		op.Target = &consensusv1.Compare_CreateRevision{CreateRevision: r.GetCreateRevision()}
	case etcdserverpb.Compare_MOD:
		op.Target = &consensusv1.Compare_ModRevision{ModRevision: r.GetModRevision()}
	case etcdserverpb.Compare_VALUE:
		op.Target = &consensusv1.Compare_Value{Value: r.GetValue()}
	case etcdserverpb.Compare_LEASE:
		op.Target = &consensusv1.Compare_Lease{Lease: r.GetLease()}
	}
	if op.GetRelation() == consensusv1.Compare_RELATION_UNSPECIFIED || op.Target == nil {
		return unknownCompare(op)
	}
	return op
}

// unknownCompare stands for a comparison whose relation or target has a number that etcd does not know: an unknown relation holds, except that
// no value is compared with a missing key, and an unknown target is equal to every operand.
func unknownCompare(op *consensusv1.Compare) *consensusv1.Compare {
	relation, target := op.GetRelation(), op.GetTarget()
	op.Relation, op.Target = consensusv1.Compare_RELATION_GREATER, &consensusv1.Compare_Version{Version: -1} // holds always
	_, value := target.(*consensusv1.Compare_Value)
	switch {
	case value:
		op.Target = &consensusv1.Compare_Version{Version: 0}
	case relation != consensusv1.Compare_RELATION_UNSPECIFIED && relation != consensusv1.Compare_RELATION_EQUAL:
		op.Relation = consensusv1.Compare_RELATION_LESS
	}
	return op
}

package v3

import (
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// RangeStream leaves two kinds of requests to Range, with texts that clients know from etcd.
var (
	errStreamSorted   = status.Error(codes.Unimplemented, "RangeStream does not support custom sort orders")
	errStreamFiltered = status.Error(codes.Unimplemented, "RangeStream does not support revision filters")
)

func checkRange(r *etcdserverpb.RangeRequest) error {
	if len(r.GetKey()) == 0 {
		return rpctypes.ErrGRPCEmptyKey
	}
	if _, known := etcdserverpb.RangeRequest_SortOrder_name[int32(r.GetSortOrder())]; !known {
		return rpctypes.ErrGRPCInvalidSortOption
	}
	if _, known := etcdserverpb.RangeRequest_SortTarget_name[int32(r.GetSortTarget())]; !known {
		return rpctypes.ErrGRPCInvalidSortOption
	}
	return nil
}

// checkRangeStream also refuses what cannot be answered in chunks: whatever order differs from that of the keys, and
// filters that would make etcd read everything for one chunk.
func checkRangeStream(r *etcdserverpb.RangeRequest) error {
	if err := checkRange(r); err != nil {
		return err
	}
	switch r.GetSortOrder() {
	case etcdserverpb.RangeRequest_NONE:
	case etcdserverpb.RangeRequest_ASCEND:
		if r.GetSortTarget() != etcdserverpb.RangeRequest_KEY {
			return errStreamSorted
		}
	default:
		return errStreamSorted
	}
	if r.GetMinModRevision() != 0 || r.GetMaxModRevision() != 0 || r.GetMinCreateRevision() != 0 || r.GetMaxCreateRevision() != 0 {
		return errStreamFiltered
	}
	return nil
}

func checkPut(r *etcdserverpb.PutRequest) error {
	switch {
	case len(r.GetKey()) == 0:
		return rpctypes.ErrGRPCEmptyKey
	case r.GetIgnoreValue() && len(r.GetValue()) != 0:
		return rpctypes.ErrGRPCValueProvided
	case r.GetIgnoreLease() && r.GetLease() != 0:
		return rpctypes.ErrGRPCLeaseProvided
	}
	return nil
}

func checkDeleteRange(r *etcdserverpb.DeleteRangeRequest) error {
	if len(r.GetKey()) == 0 {
		return rpctypes.ErrGRPCEmptyKey
	}
	return nil
}

// checkTxn checks everything about a transaction but which keys its operations share (see checkOverlaps). The longest
// of its three lists counts against opsMax, and what is left is the limit of the transactions nested in it.
func checkTxn(r *etcdserverpb.TxnRequest, opsMax int) error {
	ops := max(len(r.GetCompare()), len(r.GetSuccess()), len(r.GetFailure()))
	if ops > opsMax {
		return rpctypes.ErrGRPCTooManyOps
	}
	for _, compare := range r.GetCompare() {
		if len(compare.GetKey()) == 0 {
			return rpctypes.ErrGRPCEmptyKey
		}
	}
	for _, branch := range [...][]*etcdserverpb.RequestOp{r.GetSuccess(), r.GetFailure()} {
		for _, op := range branch {
			if err := checkOp(op, opsMax-ops); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkOp(op *etcdserverpb.RequestOp, nestedOpsMax int) error {
	switch request := op.GetRequest().(type) {
	case *etcdserverpb.RequestOp_RequestRange:
		return checkRange(request.RequestRange)
	case *etcdserverpb.RequestOp_RequestPut:
		return checkPut(request.RequestPut)
	case *etcdserverpb.RequestOp_RequestDeleteRange:
		return checkDeleteRange(request.RequestDeleteRange)
	case *etcdserverpb.RequestOp_RequestTxn:
		return checkTxn(request.RequestTxn, nestedOpsMax)
	default:
		// etcd says this of an operation that is not there.
		return rpctypes.ErrGRPCKeyNotFound
	}
}

// isReadOnly tells that a transaction cannot write, whichever branch it takes.
func isReadOnly(r *etcdserverpb.TxnRequest) bool {
	return everyOp(r, func(op *etcdserverpb.RequestOp) bool {
		switch request := op.GetRequest().(type) {
		case *etcdserverpb.RequestOp_RequestRange:
			return true
		case *etcdserverpb.RequestOp_RequestTxn:
			return isReadOnly(request.RequestTxn)
		}
		return false
	})
}

// isSerializable tells that every operation of a read-only transaction is content with local state. A transaction that
// has comparisons alone is not: its answer, whether they hold, must be current.
func isSerializable(r *etcdserverpb.TxnRequest) bool {
	if len(r.GetSuccess()) == 0 && len(r.GetFailure()) == 0 && len(r.GetCompare()) > 0 {
		return false
	}
	return everyOp(r, func(op *etcdserverpb.RequestOp) bool {
		if nested := op.GetRequestTxn(); nested != nil {
			return isSerializable(nested)
		}
		return op.GetRequestRange().GetSerializable()
	})
}

func everyOp(r *etcdserverpb.TxnRequest, holds func(*etcdserverpb.RequestOp) bool) bool {
	for _, branch := range [...][]*etcdserverpb.RequestOp{r.GetSuccess(), r.GetFailure()} {
		for _, op := range branch {
			if !holds(op) {
				return false
			}
		}
	}
	return true
}

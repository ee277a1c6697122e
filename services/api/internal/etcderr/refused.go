package etcderr

import (
	"slices"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/status"
)

// refusals are what clients get who may not do what they have asked for, or not as often, or have not shown who they are.
var refusals = []error{
	rpctypes.ErrGRPCPermissionDenied,
	rpctypes.ErrGRPCUserEmpty,
	rpctypes.ErrGRPCUserNotFound,
	rpctypes.ErrGRPCInvalidAuthToken,
	rpctypes.ErrGRPCAuthOldRevision,
	rpctypes.ErrGRPCAuthFailed,
	rpctypes.ErrGRPCRequestTooManyRequests,
}

// Refused tells whether err, as From returns it, says that its client may not do what was asked for, or not as often.
func Refused(err error) bool {
	if err == nil {
		return false
	}
	s := status.Convert(err)
	return slices.ContainsFunc(refusals, func(refusal error) bool {
		known := status.Convert(refusal)
		return known.Code() == s.Code() && known.Message() == s.Message()
	})
}

// RefusedFor returns the refusal that the reason in a watch's answer is the text of, nil for any other reason.
func RefusedFor(reason string) error {
	for _, refusal := range refusals {
		if refusal.Error() == reason || status.Convert(refusal).Message() == reason {
			return refusal
		}
	}
	return nil
}

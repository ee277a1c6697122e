package auditlog

import (
	"context"

	"google.golang.org/grpc/codes"

	"github.com/quoratedb/quorate/services/api/internal/auth"
)

// Note is what somebody has done who does not come by the API, or what ends for them.
type Note struct {
	// User is whom they have shown to be, or said where they are refused; empty for nobody. Password tells that they have shown it by one.
	User     string
	Password bool
	// Roles are the user's; it may be asked or not.
	Roles func() []string
	// Peer is the client's address.
	Peer string
	// Method is one of those that begin with Method, and Subject what NATS calls so.
	Method, Subject string
	// Ranges are the keys that are heard of, from the first to before the second; the second is empty for one key, and a zero byte for all
	// that come after.
	Ranges [][2][]byte
	// Refused says that it may not be, and Ended that it was and is over, because rights have changed.
	Refused, Ended bool
}

// Note writes a line. Its error, ErrNoRoom or ErrNotWritten among them, says that there is none: what was to be allowed must not be then.
// It may be called concurrently, for a nil Auditor too.
func (a *Auditor) Note(ctx context.Context, n Note) error {
	if a == nil {
		return nil
	}
	h := &head{User: n.User, Proof: auth.ProofNone, Peer: n.Peer, Method: n.Method, Subject: n.Subject, roles: n.Roles}
	if n.Password {
		h.Proof = proofPassword
	}
	spans := make([]span, len(n.Ranges))
	for i, of := range n.Ranges {
		spans[i] = span{access: "watch", key: of[0], end: of[1]}
	}
	entry, err := a.begin(ctx, h, spans, object{})
	if err != nil {
		return err
	}
	o := outcome{code: codes.OK.String(), refused: n.Refused, ended: n.Ended}
	switch {
	case n.Ended:
		o.code = codes.Aborted.String()
	case n.Refused:
		o.code = codes.PermissionDenied.String()
	}
	return entry.finish(o)
}

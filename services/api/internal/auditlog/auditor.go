package auditlog

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/internal/etcderr"
)

// Errors for clients.
var (
	errNoRoom     = status.Error(codes.ResourceExhausted, "etcdserver: no room in the audit log, nothing was done")
	errNotWritten = status.Error(codes.Unavailable, "etcdserver: the audit log is not being written, the request may have been carried out")
)

// Auditor makes the lines of requests. A nil Auditor makes none. Its methods may be called concurrently.
type Auditor struct {
	policy *Policy
	key    []byte
	log    *Log
	names  *auth.Names
	// path is of the file; empty where it goes elsewhere.
	path string
	// prefix and last make ids that no other process has made.
	prefix string
	last   atomic.Uint64
}

// Open opens the log that c describes, nil for none. Errors name the flag. Run or Close must be called.
func Open(c Config) (*Auditor, error) {
	if err := c.Validate(); err != nil || !c.On() {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	policy, policyProblem := c.policy()
	key, keyProblem := c.key()
	if err := errors.Join(policyProblem, keyProblem); err != nil {
		return nil, err
	}
	out, err := openOutput(c.File)
	if err != nil {
		return nil, err
	}
	random := make([]byte, 6)
	_, _ = rand.Read(random) // it never fails
	made := &Auditor{policy: policy, key: key, prefix: hex.EncodeToString(random) + "-", log: newLog(c, out, newMetrics(c.Registerer))}
	if kept, ok := out.(*file); ok {
		made.path = kept.path
	}
	return made, nil
}

// Names tells who says who somebody is, before the first request of the API.
func (a *Auditor) Names(names *auth.Names) {
	if a != nil {
		a.names = names
	}
}

// Run writes lines until ctx ends. Requests must have ended by then.
func (a *Auditor) Run(ctx context.Context) {
	if a != nil {
		a.log.Run(ctx)
	}
}

// Close closes a log that does not run. It may be called twice, and after Run.
func (a *Auditor) Close() error {
	if a == nil {
		return nil
	}
	return a.log.close()
}

// Entry is the line of one request. A nil Entry is none. Its methods are called by one goroutine at a time.
type Entry struct {
	auditor  *Auditor
	began    time.Time
	line     []byte
	reserved int64
	level    Level
	lease    string // of the last keep-alive of a stream
}

// proofPassword is how somebody shows who they are who logs in.
const proofPassword = "password"

// Begin keeps room for the line of a call of method ("/etcdserverpb.KV/Put"), whose request may be nil. ctx is of auth.With. The error,
// where there is no room, is ready for the client, and nothing must be done then. Close the entry with Finish or Release.
func (a *Auditor) Begin(ctx context.Context, method string, request any) (*Entry, error) {
	if a == nil || !hasLines(method) {
		return nil, nil
	}
	name, proof := a.names.Of(ctx)
	if r, ok := request.(*etcdserverpb.AuthenticateRequest); ok {
		name, proof = r.GetName(), proofPassword
	}
	return a.begin(ctx, &head{User: name, Proof: proof, Peer: cut(auth.PeerOf(ctx)), Method: method[1:]}, spansOf(request), objectOf(request))
}

func (a *Auditor) begin(ctx context.Context, h *head, spans []span, o object) (*Entry, error) {
	e := a.prepare(ctx, h, spans, o)
	if e == nil {
		return nil, nil
	}
	if err := e.keepRoom(ctx, h.Proof == proofPassword); err != nil {
		return nil, err
	}
	return e, nil
}

// prepare returns a line for which no room is kept yet, nil for none.
func (a *Auditor) prepare(ctx context.Context, h *head, spans []span, o object) *Entry {
	e := &Entry{auditor: a, began: time.Now()}
	var silent bool
	roles := h.roles
	if roles == nil {
		roles = func() []string { return a.names.Roles(ctx, h.User) }
	}
	e.level, silent = a.policy.level(&subject{user: h.User, claimed: h.Proof == proofPassword, method: h.Method, spans: spans, roles: roles})
	if silent {
		return nil
	}
	h.Time, h.ID = e.began.UTC().Format(time.RFC3339Nano), a.prefix+strconv.FormatUint(a.last.Add(1), 10)
	h.User, h.OfUser, h.OfRole, h.Subject = cut(h.User), cut(o.user), cut(o.role), cut(h.Subject)
	h.OfLease, h.OfMember = hexOrNone(o.lease), hexOrNone(o.member)
	h.Ranges, h.LeftOut = spanLines(spans, e.level, a.key)
	e.line = h.encode()
	return e
}

// keepRoom keeps room for the line. Of a log-in, which waits for others as long as its password is compared, the room is in the part that
// log-ins may take: strangers must not take all of it. The error is ready for the client.
func (e *Entry) keepRoom(ctx context.Context, login bool) error {
	most := int64(queueBytesMax)
	if login {
		most = loginBytesMax
	}
	bytes := int64(len(e.line)) + tailBytesMax
	if err := e.auditor.log.reserve(ctx, bytes, most); err != nil {
		if errors.Is(err, ErrNoRoom) {
			return errNoRoom
		}
		return status.FromContextError(err).Err()
	}
	e.reserved = bytes
	return nil
}

// Release gives the line up.
func (e *Entry) Release() {
	if e != nil {
		e.auditor.log.release(e.reserved)
		e.reserved = 0
	}
}

// Finish writes the line of a request that was answered with response, or with err, which is as the client gets it. It returns err, or
// another one, if the line could not be written.
func (e *Entry) Finish(response any, err error) error {
	if e == nil {
		return err
	}
	o := outcome{code: status.Code(err).String(), refused: etcderr.Refused(err), lease: e.lease}
	if r, ok := response.(interface {
		GetHeader() *etcdserverpb.ResponseHeader
	}); ok && err == nil {
		o.revision = r.GetHeader().GetRevision()
	}
	if notWritten := e.finish(o); notWritten != nil {
		return errNotWritten
	}
	return err
}

func (e *Entry) finish(o outcome) error {
	if e == nil || e.reserved == 0 {
		return nil
	}
	if e.level == LevelNone && !o.refused && !o.ended {
		e.Release()
		return nil
	}
	reserved := e.reserved
	e.reserved = 0
	return e.auditor.log.write(end(e.line, o, time.Since(e.began)), reserved)
}

// of notes the lease that a keep-alive is for.
func (e *Entry) of(lease int64) { e.lease = hexOrNone(uint64(lease)) }

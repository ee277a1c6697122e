package v3

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/time/rate"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/port"
)

// Signer makes tokens.
type Signer interface {
	// Sign returns a token of a user whose password was right at an auth revision. Its error is ready for the client.
	Sign(name string, authRevision uint64) (token string, err error)
}

const (
	// refusalsLoggedFirst and refusalsLoggedEvery bound what wrong passwords can write to the log.
	refusalsLoggedFirst = 10
	refusalsLoggedEvery = time.Second
	// nameLoggedMax is how much of a user's name is logged, in bytes: it is whatever a stranger says.
	nameLoggedMax = 256
)

// AuthServer is etcd's Auth service. What it changes and reads the store checks, by the caller that goes along.
type AuthServer struct {
	etcdserverpb.UnsafeAuthServer
	*backend
	auth            port.Auth
	signer          Signer
	maxRequestBytes int
	refusals        rate.Sometimes
}

func newAuthServer(back *backend, config Config) *AuthServer {
	return &AuthServer{
		backend: back, auth: config.Auth, signer: config.Signer, maxRequestBytes: int(config.MaxRequestBytes),
		refusals: rate.Sometimes{First: refusalsLoggedFirst, Interval: refusalsLoggedEvery},
	}
}

// Authenticate answers a name and its password with a token. It needs no caller.
func (s *AuthServer) Authenticate(ctx context.Context, r *etcdserverpb.AuthenticateRequest) (*etcdserverpb.AuthenticateResponse, error) {
	bounded, cancel := s.bound(ctx)
	defer cancel()
	question := &consensusv1.AuthenticateRequest{Name: r.GetName(), Password: r.GetPassword(), Token: s.signer == nil, Origin: auth.OriginOf(auth.PeerOf(ctx))}
	r.Password = "" // nobody who keeps the request has it
	known, err := s.auth.Authenticate(bounded, question)
	question.Password = ""
	if err != nil {
		if !errors.Is(err, errdefs.ErrAuthNotEnabled) {
			s.refusals.Do(func() {
				s.logger.Warn("invalid authentication was requested", slog.String("user", clipped(r.GetName())), slog.Any("error", err))
			})
		}
		return nil, s.failure(bounded, err)
	}
	token := known.GetToken()
	if s.signer != nil {
		if token, err = s.signer.Sign(r.GetName(), known.GetAuthRevision()); err != nil {
			return nil, err
		}
	}
	header, err := s.headerNow(ctx)
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.AuthenticateResponse{Header: header, Token: token}, nil
}

func clipped(name string) string { return name[:min(len(name), nameLoggedMax)] }

// AuthStatus tells whether authentication is enabled.
func (s *AuthServer) AuthStatus(ctx context.Context, _ *etcdserverpb.AuthStatusRequest) (*etcdserverpb.AuthStatusResponse, error) {
	found, header, err := s.read(ctx, &consensusv1.ReadAuthRequest{Read: &consensusv1.ReadAuthRequest_Status{Status: &consensusv1.AuthStatusRead{}}})
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.AuthStatusResponse{Header: header, Enabled: found.GetEnabled(), AuthRevision: found.GetAuthRevision()}, nil
}

// AuthEnable has callers checked from now on.
func (s *AuthServer) AuthEnable(ctx context.Context, r *etcdserverpb.AuthEnableRequest) (*etcdserverpb.AuthEnableResponse, error) {
	header, err := s.change(ctx, r, &consensusv1.AuthOp{Op: &consensusv1.AuthOp_Enable{Enable: &consensusv1.AuthEnableOp{}}})
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.AuthEnableResponse{Header: header}, nil
}

// AuthDisable has nobody checked any more.
func (s *AuthServer) AuthDisable(ctx context.Context, r *etcdserverpb.AuthDisableRequest) (*etcdserverpb.AuthDisableResponse, error) {
	header, err := s.change(ctx, r, &consensusv1.AuthOp{Op: &consensusv1.AuthOp_Disable{Disable: &consensusv1.AuthDisableOp{}}})
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.AuthDisableResponse{Header: header}, nil
}

// change has users or roles changed, as r asks. The error is ready for the client.
func (s *AuthServer) change(ctx context.Context, r proto.Message, op *consensusv1.AuthOp) (*etcdserverpb.ResponseHeader, error) {
	if err := checkSize(r, s.maxRequestBytes); err != nil {
		return nil, err
	}
	result, err := s.propose(ctx, &consensusv1.ProposeRequest{Command: &consensusv1.Command{Command: &consensusv1.Command_Auth{Auth: op}}})
	if err != nil {
		return nil, err
	}
	return s.header(ctx, result.GetRevision(), result.GetRaftTerm())
}

// read reads what request says, for the caller of ctx. The error is ready for the client.
func (s *AuthServer) read(ctx context.Context, request *consensusv1.ReadAuthRequest) (*consensusv1.ReadAuthResponse, *etcdserverpb.ResponseHeader, error) {
	bounded, cancel := s.bound(ctx)
	defer cancel()
	request.Caller = auth.Caller(ctx)
	found, err := s.auth.ReadAuth(bounded, request)
	if err != nil {
		return nil, nil, s.failure(bounded, err)
	}
	header, err := s.header(ctx, found.GetRevision(), found.GetRaftTerm())
	return found, header, err
}

package api

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/internal/calls"
	"github.com/quoratedb/quorate/services/api/internal/direct"
	"github.com/quoratedb/quorate/services/api/internal/etcderr"
	"github.com/quoratedb/quorate/services/api/port"
	"github.com/quoratedb/quorate/services/console"
)

// addConsole makes the console, which calls our own methods, and has slow calls noted for it.
func (s *Server) addConsole(who users, gate *auth.Gate) (err error) {
	cfg := s.cfg
	if cfg.NoConsole {
		return nil
	}
	conn := direct.New(s.calls)
	s.register(conn)
	made := console.Config{
		Conn: conn, Users: consoleUsers{who.names, gate, cfg.Logger}, Alarms: alarmsOf(cfg.Consensus), Gatherer: cfg.Gatherer,
		Hosts: hostNames(cfg.Hosts), Version: cfg.Version, EtcdVersion: cfg.Versions.Server, TxnOpsMax: cfg.MaxTxnOps,
	}
	if cfg.Members != nil {
		made.Members = consoleMembers{cfg.Members, cfg.RequestTimeout, cfg.Logger}
	}
	if cfg.Audit.Kept() {
		made.AuditTail = cfg.Audit.Tail
	}
	if s.services.Console, err = console.New(made); err != nil {
		return err
	}
	s.calls.NoteSlow(slowNotes{s.services.Console, who.names})
	service, info := console.Methods()
	s.calls.Register(map[string]grpc.ServiceInfo{service: info})
	return nil
}

// hostNames are the names by which this server is called: what it was told, and what its host is called.
func hostNames(told []string) []string {
	names := slices.DeleteFunc(slices.Clone(told), func(name string) bool { return name == "*" })
	if host, err := os.Hostname(); err == nil {
		names = append(names, host)
	}
	return names
}

// alarmsOf tells which alarms are raised.
func alarmsOf(store port.Consensus) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		found, err := store.Alarms(ctx, &consensusv1.AlarmsRequest{})
		if err != nil {
			return nil, err
		}
		var raised []string
		for _, alarm := range found.GetAlarms() {
			raised = append(raised, strings.TrimPrefix(alarm.GetType().String(), "TYPE_"))
		}
		return raised, nil
	}
}

// consoleUsers tells the console who uses it, and what they may do.
type consoleUsers struct {
	names  *auth.Names
	gate   *auth.Gate
	logger *slog.Logger
}

// Who implements console.Users.
func (u consoleUsers) Who(ctx context.Context) console.Who {
	name, proof := u.names.Of(ctx)
	return console.Who{Name: name, Proof: proof, Roles: u.names.Roles(ctx, name)}
}

// May implements console.Users.
func (u consoleUsers) May(ctx context.Context, user string, question *consensusv1.AuthorizeRequest) (bool, error) {
	question.Caller = auth.Caller(ctx)
	if user != "" {
		question.Caller = &consensusv1.Caller{Name: user}
	}
	_, err := u.gate.AskFor(ctx, question)
	if errors.Is(err, errdefs.ErrPermissionDenied) {
		return false, nil
	}
	return err == nil, etcderr.From(u.logger, err)
}

// consoleMembers has errors be the client's.
type consoleMembers struct {
	members port.Members
	timeout time.Duration
	logger  *slog.Logger
}

// MemberStatus implements console.Members.
func (m consoleMembers) MemberStatus(ctx context.Context, id uint64) (*consensusv1.StatusResponse, error) {
	found, err := m.members.MemberStatus(ctx, id)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return found, etcderr.From(m.logger, err)
}

// MoveLeader implements console.Members.
func (m consoleMembers) MoveLeader(ctx context.Context, target uint64) error {
	bounded, cancel := context.WithTimeoutCause(ctx, m.timeout, errdefs.ErrTimeout)
	defer cancel()
	_, err := m.members.MoveLeader(bounded, &consensusv1.MoveLeaderRequest{Id: target})
	if errors.Is(err, context.DeadlineExceeded) && context.Cause(bounded) == errdefs.ErrTimeout {
		err = errdefs.ErrTimeout
	}
	return etcderr.From(m.logger, err)
}

// slowNotes tells the console of slow calls.
type slowNotes struct {
	*console.Console
	names *auth.Names
}

// NoteSlow implements calls.Noter.
func (n slowNotes) NoteSlow(ctx context.Context, note calls.Note) {
	user, _ := n.names.Of(ctx)
	n.Console.NoteSlow(console.Slow{
		Method: note.Method, At: note.Begun, Took: note.Took, User: user, Peer: note.Peer, Prefix: note.Prefix, Shape: note.Shape, Code: note.Code,
		Queue: note.Phases.Queue, Sync: note.Phases.Sync, Commit: note.Phases.Replicate, Apply: note.Phases.Apply,
	})
}

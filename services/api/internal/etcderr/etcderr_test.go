package etcderr_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/services/api/internal/etcderr"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// refusals names every sentinel of package errdefs with what a client must see for it.
var refusals = map[string]struct {
	err  error
	code codes.Code
	text string
}{
	"ErrCompacted":             {errdefs.ErrCompacted, codes.OutOfRange, "etcdserver: mvcc: required revision has been compacted"},
	"ErrFutureRevision":        {errdefs.ErrFutureRevision, codes.OutOfRange, "etcdserver: mvcc: required revision is a future revision"},
	"ErrKeyNotFound":           {errdefs.ErrKeyNotFound, codes.InvalidArgument, "etcdserver: key not found"},
	"ErrLeaseNotFound":         {errdefs.ErrLeaseNotFound, codes.NotFound, "etcdserver: requested lease not found"},
	"ErrLeaseExists":           {errdefs.ErrLeaseExists, codes.FailedPrecondition, "etcdserver: lease already exists"},
	"ErrLeaseTTLTooLarge":      {errdefs.ErrLeaseTTLTooLarge, codes.OutOfRange, "etcdserver: too large lease TTL"},
	"ErrStaleEpoch":            {errdefs.ErrStaleEpoch, codes.Unavailable, "etcdserver: leader changed"},
	"ErrNoSpace":               {errdefs.ErrNoSpace, codes.ResourceExhausted, "etcdserver: mvcc: database space exceeded"},
	"ErrCorrupt":               {errdefs.ErrCorrupt, codes.DataLoss, "etcdserver: corrupt cluster"},
	"ErrLeaderFailed":          {errdefs.ErrLeaderFailed, codes.Unavailable, "etcdserver: request timed out, possibly due to previous leader failure"},
	"ErrConnectionLost":        {errdefs.ErrConnectionLost, codes.Unavailable, "etcdserver: request timed out, possibly due to connection lost"},
	"ErrNoLeader":              {errdefs.ErrNoLeader, codes.Unavailable, "etcdserver: no leader"},
	"ErrLeaderChanged":         {errdefs.ErrLeaderChanged, codes.Unavailable, "etcdserver: leader changed"},
	"ErrTimeout":               {errdefs.ErrTimeout, codes.Unavailable, "etcdserver: request timed out"},
	"ErrTooManyRequests":       {errdefs.ErrTooManyRequests, codes.ResourceExhausted, "etcdserver: too many requests"},
	"ErrTooLarge":              {errdefs.ErrTooLarge, codes.InvalidArgument, "etcdserver: request is too large"},
	"ErrMemberNotFound":        {errdefs.ErrMemberNotFound, codes.NotFound, "etcdserver: member not found"},
	"ErrMemberRemoved":         {errdefs.ErrMemberRemoved, codes.NotFound, "etcdserver: member not found"},
	"ErrMemberExists":          {errdefs.ErrMemberExists, codes.FailedPrecondition, "etcdserver: member ID already exist"},
	"ErrPeerInUse":             {errdefs.ErrPeerInUse, codes.FailedPrecondition, "etcdserver: Peer URLs already exists"},
	"ErrTooManyLearners":       {errdefs.ErrTooManyLearners, codes.FailedPrecondition, "etcdserver: too many learner members in cluster"},
	"ErrNotLearner":            {errdefs.ErrNotLearner, codes.FailedPrecondition, "etcdserver: can only promote a learner member"},
	"ErrLearnerNotReady":       {errdefs.ErrLearnerNotReady, codes.FailedPrecondition, "etcdserver: can only promote a learner member which is in sync with leader"},
	"ErrNotEnoughStarted":      {errdefs.ErrNotEnoughStarted, codes.FailedPrecondition, "etcdserver: re-configuration failed due to not enough started members"},
	"ErrUnhealthy":             {errdefs.ErrUnhealthy, codes.Unavailable, "etcdserver: unhealthy cluster"},
	"ErrNotLeader":             {errdefs.ErrNotLeader, codes.FailedPrecondition, "etcdserver: not leader"},
	"ErrBadTransferee":         {errdefs.ErrBadTransferee, codes.FailedPrecondition, "etcdserver: bad leader transferee"},
	"ErrRootUserNotExist":      {errdefs.ErrRootUserNotExist, codes.FailedPrecondition, "etcdserver: root user does not exist"},
	"ErrRootRoleNotExist":      {errdefs.ErrRootRoleNotExist, codes.FailedPrecondition, "etcdserver: root user does not have root role"},
	"ErrUserExists":            {errdefs.ErrUserExists, codes.FailedPrecondition, "etcdserver: user name already exists"},
	"ErrUserEmpty":             {errdefs.ErrUserEmpty, codes.InvalidArgument, "etcdserver: user name is empty"},
	"ErrUserNotFound":          {errdefs.ErrUserNotFound, codes.FailedPrecondition, "etcdserver: user name not found"},
	"ErrRoleExists":            {errdefs.ErrRoleExists, codes.FailedPrecondition, "etcdserver: role name already exists"},
	"ErrRoleEmpty":             {errdefs.ErrRoleEmpty, codes.InvalidArgument, "etcdserver: role name is empty"},
	"ErrRoleNotFound":          {errdefs.ErrRoleNotFound, codes.FailedPrecondition, "etcdserver: role name not found"},
	"ErrRoleNotGranted":        {errdefs.ErrRoleNotGranted, codes.FailedPrecondition, "etcdserver: role is not granted to the user"},
	"ErrPermissionNotGiven":    {errdefs.ErrPermissionNotGiven, codes.InvalidArgument, "etcdserver: permission not given"},
	"ErrPermissionNotGranted":  {errdefs.ErrPermissionNotGranted, codes.FailedPrecondition, "etcdserver: permission is not granted to the role"},
	"ErrPermissionDenied":      {errdefs.ErrPermissionDenied, codes.PermissionDenied, "etcdserver: permission denied"},
	"ErrAuthFailed":            {errdefs.ErrAuthFailed, codes.InvalidArgument, "etcdserver: authentication failed, invalid user ID or password"},
	"ErrNoPasswordUser":        {errdefs.ErrNoPasswordUser, codes.Unknown, "auth: authentication failed, password was given for no password user"},
	"ErrPasswordTooLong":       {errdefs.ErrPasswordTooLong, codes.Unknown, "bcrypt: password length exceeds 72 bytes"},
	"ErrAuthNotEnabled":        {errdefs.ErrAuthNotEnabled, codes.FailedPrecondition, "etcdserver: authentication is not enabled"},
	"ErrInvalidAuthToken":      {errdefs.ErrInvalidAuthToken, codes.Unauthenticated, "etcdserver: invalid auth token"},
	"ErrInvalidAuthManagement": {errdefs.ErrInvalidAuthManagement, codes.InvalidArgument, "etcdserver: invalid auth management"},
	"ErrAuthOldRevision":       {errdefs.ErrAuthOldRevision, codes.InvalidArgument, "etcdserver: revision of auth store is old"},
	"ErrQuotaExceeded":         {errdefs.ErrQuotaExceeded, codes.ResourceExhausted, "quorate: prefix quota exceeded"},
	"ErrQuotaNotFound":         {errdefs.ErrQuotaNotFound, codes.NotFound, "quorate: prefix quota not found"},
	"ErrTooManyQuotas":         {errdefs.ErrTooManyQuotas, codes.FailedPrecondition, "quorate: too many prefix quotas"},
	"ErrStopped":               {errdefs.ErrStopped, codes.Unavailable, "etcdserver: server stopped"},
}

// TestEverySentinelHasAnAnswer keeps the table complete: it parses package errdefs and asks for the answer of each
// exported sentinel that it finds there.
func TestEverySentinelHasAnAnswer(t *testing.T) {
	names := exportedSentinels(t)
	require.NotEmpty(t, names)
	for _, name := range names {
		refusal, ok := refusals[name]
		require.True(t, ok, "errdefs.%s has no row in the test and perhaps none in the table", name)
		var logged bytes.Buffer
		wrapped := fmt.Errorf("apply: %w", fmt.Errorf("put: %w", refusal.err))
		got, ok := status.FromError(etcderr.From(slog.New(slog.NewTextHandler(&logged, nil)), wrapped))
		require.True(t, ok)
		require.Equal(t, refusal.code, got.Code(), name)
		require.Equal(t, refusal.text, got.Message(), name)
		require.Empty(t, logged.String(), "errdefs.%s is not in the table", name)
	}
	require.Len(t, refusals, len(names), "the test names sentinels that do not exist")
}

// TestPreciseTimeoutsGoFirst shows that of a timeout that this process saw and what a member said of it, the client is
// told the latter.
func TestPreciseTimeoutsGoFirst(t *testing.T) {
	for _, precise := range []error{errdefs.ErrLeaderFailed, errdefs.ErrConnectionLost} {
		both := fmt.Errorf("%w: %w", fmt.Errorf("propose: %w", precise), errdefs.ErrTimeout)
		require.Equal(t, etcderr.From(nil, precise), etcderr.From(nil, both))
	}
}

func exportedSentinels(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../../../pkg/errdefs/*.go")
	require.NoError(t, err)
	var names []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		for _, declaration := range parsed.Decls {
			general, ok := declaration.(*ast.GenDecl)
			if !ok || general.Tok != token.VAR {
				continue
			}
			for _, spec := range general.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if name.IsExported() {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}

// TestErrorsOfOthers shows what becomes of errors that are no sentinels, by table.
func TestErrorsOfOthers(t *testing.T) {
	cases := []struct {
		name   string
		err    error
		code   codes.Code
		text   string
		logged bool
	}{
		{"cancelled", fmt.Errorf("wait: %w", context.Canceled), codes.Canceled, "context canceled", false},
		{"deadline", fmt.Errorf("wait: %w", context.DeadlineExceeded), codes.DeadlineExceeded, "context deadline exceeded", false},
		{"a status", rpctypes.ErrGRPCEmptyKey, codes.InvalidArgument, "etcdserver: key is not provided", false},
		{"a wrapped status", fmt.Errorf("send: %w", rpctypes.ErrGRPCEmptyKey), codes.InvalidArgument, "etcdserver: key is not provided", false},
		{"unforeseen", errors.New("disk on fire"), codes.Unknown, "disk on fire", true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var logged bytes.Buffer
			got, ok := status.FromError(etcderr.From(slog.New(slog.NewTextHandler(&logged, nil)), c.err))
			require.True(t, ok)
			require.Equal(t, c.code, got.Code())
			require.Equal(t, c.text, got.Message())
			require.Equal(t, c.logged, logged.Len() > 0)
		})
	}
	require.NoError(t, etcderr.From(slog.Default(), nil))
}

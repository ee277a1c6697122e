package auditlog

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
)

// Goal: whatever can be asked for over the API has a line, our own services' methods too, and says which keys it is about. Method: each
// method that is served begins and ends a request; changes of quotas and looks at the store are read back.
func TestEveryMethodHasALine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	a, err := Open(Config{File: path})
	require.NoError(t, err)
	a.Names(auth.NewNames(nil, auth.NewFollower(nil, nil)))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.Run(t.Context())
	}()
	t.Cleanup(func() { <-ended })
	write := func(method string, request any) {
		entry, err := a.Begin(t.Context(), method, request)
		require.NoError(t, err)
		require.NotNil(t, entry, method)
		require.NoError(t, entry.Finish(nil, nil))
	}
	var methods []string
	for _, method := range auth.Methods() {
		if !strings.HasPrefix(method, "/grpc.") {
			methods = append(methods, method)
			write(method, nil)
		}
	}
	write("/quorate.v1.QuotaService/QuotaSet", &quoratev1.QuotaSetRequest{Prefix: []byte("a")})
	write("/quorate.v1.QuotaService/QuotaDelete", &quoratev1.QuotaDeleteRequest{})
	write("/quorate.v1.InspectService/Deleted", &quoratev1.DeletedRequest{Prefix: []byte("a")})
	write("/quorate.v1.InspectService/History", &quoratev1.HistoryRequest{Key: []byte("a")})
	for _, method := range methods {
		require.Contains(t, knownMethods(), method[1:])
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	require.Len(t, lines, len(methods)+4)
	for i, want := range []string{
		`[{"access":"set quota","key":"a","range_end":"b"}]`, `[{"access":"delete quota","key":"\u0000","range_end":"\u0000"}]`,
		`[{"access":"read","key":"a","range_end":"b"}]`, `[{"access":"read","key":"a"}]`,
	} {
		var read struct{ Ranges json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(lines[len(methods)+i]), &read))
		require.JSONEq(t, want, string(read.Ranges))
	}
}

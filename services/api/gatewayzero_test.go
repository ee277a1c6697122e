package api

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
)

// emptyStore answers as a store that holds nothing and has no quota.
type emptyStore struct {
	etcdserverpb.UnimplementedMaintenanceServer
}

func (emptyStore) Hash(context.Context, *etcdserverpb.HashRequest) (*etcdserverpb.HashResponse, error) {
	return &etcdserverpb.HashResponse{}, nil
}

func (emptyStore) HashKV(context.Context, *etcdserverpb.HashKVRequest) (*etcdserverpb.HashKVResponse, error) {
	return &etcdserverpb.HashKVResponse{HashRevision: 1}, nil
}

func (emptyStore) Status(context.Context, *etcdserverpb.StatusRequest) (*etcdserverpb.StatusResponse, error) {
	return &etcdserverpb.StatusResponse{Version: "3.7.0"}, nil
}

// A hash and a quota of 0 are shown in JSON: scripts look for the fields.
func TestGatewayShowsZeros(t *testing.T) {
	services := fakeServices()
	services.Maintenance = emptyStore{}
	url := "http://" + serve(t, services, nil).address
	for path, want := range map[string]string{
		"/v3/maintenance/hash":   `{"hash":0}`,
		"/v3/maintenance/hashkv": `{"hash_revision":"1","hash":0}`,
		"/v3/maintenance/status": `{"version":"3.7.0","dbSizeQuota":"0"}`,
	} {
		answer, err := h1(t).Post(url+path, "application/json", strings.NewReader("{}"))
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusOK, answer.StatusCode, path)
		require.JSONEq(t, want, string(body), path)
	}
}

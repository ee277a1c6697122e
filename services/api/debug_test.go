package api

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: profiles and the runtime's counters are served where that is asked for, and nowhere else; the command line, which may have passwords, is not
// among them. Method: ask a server that has them and one that has not.
func TestProfilesAreServedOnRequest(t *testing.T) {
	for _, on := range []bool{true, false} {
		s := serve(t, fakeServices(), func(c *Config) { c.Profiling = on })
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/goroutine", "/debug/vars"} {
			resp, err := http.Get("http://" + s.address + path)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			if !on || path == "/debug/pprof/cmdline" {
				require.Equal(t, 404, resp.StatusCode, path)
				continue
			}
			require.Equal(t, 200, resp.StatusCode, path)
			if path == "/debug/vars" {
				vars := map[string]json.RawMessage{}
				require.NoError(t, json.Unmarshal(body, &vars))
				require.Contains(t, vars, "memstats")
				require.NotContains(t, vars, "cmdline")
			}
		}
	}
}

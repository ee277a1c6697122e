package v2

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// moment is what differs from run to run.
var moment = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)

// The scripts in testdata are conversations with a fresh server, so that all indexes in them are known: a line is a
// request, with the form of its body behind the path, and its answer stands below. Run with -rewrite to record what has
// changed.
func TestScripts(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		t.Parallel()
		s := harness.Run(t)
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out strings.Builder
			for line := range strings.Lines(d.Input) {
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
				resp, err := client.Do(scripted(t, ctx, d, s.URL(), strings.TrimSpace(line)))
				require.NoError(t, err, line)
				a := read(t, resp)
				cancel()
				fmt.Fprintf(&out, "%d", a.status)
				for _, name := range d.CmdArgs {
					if values := a.header.Values(name.Key); len(values) > 0 && name.Key != "type" {
						fmt.Fprintf(&out, " %s: %s", name.Key, values[0])
					}
				}
				fmt.Fprintf(&out, " %s\n", moment.ReplaceAllString(strings.TrimSuffix(a.body, "\n"), "(moment)"))
			}
			return out.String()
		})
	})
}

// scripted reads a line: METHOD PATH [FORM].
func scripted(t *testing.T, ctx context.Context, d *datadriven.TestData, url, line string) *http.Request {
	t.Helper()
	parts := strings.SplitN(line, " ", 3)
	require.GreaterOrEqual(t, len(parts), 2, line)
	form := ""
	if len(parts) == 3 {
		form = parts[2]
	}
	r, err := http.NewRequestWithContext(ctx, parts[0], url+parts[1], strings.NewReader(form))
	require.NoError(t, err)
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if d.HasArg("type") {
		var kind string
		d.ScanArgs(t, "type", &kind)
		r.Header.Set("Content-Type", kind)
	}
	return r
}

// Package healthcheck asks a node how it is, for health checks in images that hold nothing but one program.
package healthcheck

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// Ask asks a URL such as http://127.0.0.1:9090/readyz and copies the answer to out. It fails unless the answer is 200, or when ctx ends.
func Ask(ctx context.Context, url string, out io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(out, resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return err
}

// Package monitoring runs Prometheus beside a cluster, as whoever operates one does, and asks it what fires. What should fire its users know.
package monitoring

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/quoratedb/quorate/tests/harness"
)

// Prometheus is a running one.
type Prometheus struct {
	url     string
	targets string // the file that says whom it scrapes
	process *exec.Cmd
}

// waits is for how long an expression must hold until an alert fires.
var waits = regexp.MustCompile(`(?m)^(\s*"?for"?:\s*)"?[0-9a-z]+"?(,?)$`)

// Hurried are rules whose alerts fire after seconds.
func Hurried(rules []byte) []byte { return waits.ReplaceAll(rules, []byte(`${1}"3s"${2}`)) }

// Start has one scrape, every second, under each of the jobs, whom Watch names.
func Start(ctx context.Context, program, dir string, rules []string, jobs ...string) (*Prometheus, error) {
	targets := filepath.Join(dir, "targets.json")
	var scrapes []any
	for _, job := range jobs {
		scrapes = append(scrapes, map[string]any{"job_name": job, "file_sd_configs": []any{map[string]any{"files": []string{targets}, "refresh_interval": "1s"}}})
	}
	config, err := json.Marshal(map[string]any{
		"global": map[string]string{"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": rules, "scrape_configs": scrapes,
	})
	if err != nil {
		return nil, err
	}
	file, address := filepath.Join(dir, "prometheus.json"), fmt.Sprintf("127.0.0.1:%d", harness.FreePort())
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return nil, err
	}
	p := &Prometheus{url: "http://" + address, targets: targets, process: exec.Command(program, "--config.file="+file,
		"--storage.tsdb.path="+filepath.Join(dir, "prometheus"), "--web.listen-address="+address, "--log.level=warn")}
	if err := p.Watch(); err != nil {
		return nil, err
	}
	p.process.Stderr = os.Stderr
	p.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.process.Start(); err != nil {
		return nil, err
	}
	for {
		response, err := http.Get(p.url + "/-/ready")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return p, nil
			}
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			p.Stop()
			return nil, ctx.Err()
		}
	}
}

// Watch has these addresses scraped from now on, and no others.
func (p *Prometheus) Watch(addresses ...string) error {
	said, err := json.Marshal([]any{map[string]any{"targets": append([]string{}, addresses...), "labels": map[string]string{"cluster": "test"}}})
	if err != nil {
		return err
	}
	// A name of its own first: Prometheus reads the file whenever it changes.
	if err := os.WriteFile(p.targets+".new", said, 0o600); err != nil {
		return err
	}
	return os.Rename(p.targets+".new", p.targets)
}

// Stop ends it.
func (p *Prometheus) Stop() {
	_ = p.process.Process.Kill()
	_ = p.process.Wait()
}

// Firing are the names of the alerts that fire.
func (p *Prometheus) Firing(ctx context.Context) (map[string]bool, error) {
	var found struct {
		Alerts []struct {
			State  string
			Labels map[string]string
		}
	}
	if err := p.get(ctx, "/api/v1/alerts", &found); err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, alert := range found.Alerts {
		if alert.State == "firing" {
			names[alert.Labels["alertname"]] = true
		}
	}
	return names, nil
}

// Query returns how many series an expression has.
func (p *Prometheus) Query(ctx context.Context, expression string) (int, error) {
	var found struct{ Result []any }
	err := p.get(ctx, "/api/v1/query?query="+url.QueryEscape(expression), &found)
	return len(found.Result), err
}

func (p *Prometheus) get(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer := struct {
		Error string
		Data  any
	}{Data: into}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Error != "" {
		return fmt.Errorf("%s: %s", path, answer.Error)
	}
	return nil
}

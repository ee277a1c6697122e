package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/quoratedb/quorate/tests/harness"
)

// prometheus is a running one.
type prometheus struct {
	url     string
	process *exec.Cmd
}

// startPrometheus has one scrape the members every second, under the job that etcd's mixin looks for and under ours.
func startPrometheus(ctx context.Context, program, dir string, rules []string, cluster harness.Cluster) (*prometheus, error) {
	var targets []string
	for _, member := range cluster {
		targets = append(targets, member.Endpoint())
	}
	static := []any{map[string]any{"targets": targets, "labels": map[string]string{"cluster": "test"}}}
	config, err := json.Marshal(map[string]any{
		"global":     map[string]string{"scrape_interval": "1s", "evaluation_interval": "1s"},
		"rule_files": rules,
		"scrape_configs": []any{
			map[string]any{"job_name": "etcd", "static_configs": static},
			map[string]any{"job_name": "quorate", "static_configs": static},
		},
	})
	if err != nil {
		return nil, err
	}
	file, address := filepath.Join(dir, "prometheus.json"), fmt.Sprintf("127.0.0.1:%d", harness.FreePort())
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return nil, err
	}
	p := &prometheus{url: "http://" + address, process: exec.Command(program, "--config.file="+file,
		"--storage.tsdb.path="+filepath.Join(dir, "prometheus"), "--web.listen-address="+address, "--log.level=warn")}
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
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			p.stop()
			return nil, err
		}
	}
}

func (p *prometheus) stop() {
	_ = p.process.Process.Kill()
	_ = p.process.Wait()
}

// firing are the names of the alerts that fire.
func (p *prometheus) firing(ctx context.Context) (map[string]bool, error) {
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

// query returns how many series an expression has.
func (p *prometheus) query(ctx context.Context, expression string) (int, error) {
	var found struct{ Result []any }
	err := p.get(ctx, "/api/v1/query?query="+url.QueryEscape(expression), &found)
	return len(found.Result), err
}

func (p *prometheus) get(ctx context.Context, path string, into any) error {
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

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/quoratedb/quorate/tests/faults/compose/stack"
	"github.com/quoratedb/quorate/tests/harness"
)

// monitoringFiles ask for metrics.
var monitoringFiles = []string{"deploy/prometheus/rules.yml", "deploy/prometheus/rules-apart.yml", "deploy/grafana/dashboards/quorate.json"}

var (
	// askedFor finds the metrics in expressions, exported those that a process tells of.
	askedFor = regexp.MustCompile(`\b(?:etcd|quorate|grpc|process|go)_[a-z0-9_]+`)
	exported = regexp.MustCompile(`(?m)^# TYPE (\S+) `)
)

// monitored checks that the services together measure everything that rules and dashboards ask for. Some metrics begin with the first call.
func monitored(ctx context.Context, containers []*stack.Container) error {
	known := map[string]bool{"grpc_service": true, "grpc_method": true, "grpc_code": true, "grpc_type": true} // labels
	for _, c := range containers {
		address, err := c.Address(ctx, "internal")
		if err != nil {
			address, err = c.Address(ctx, "clients") // where fronts are scraped
		}
		if err != nil {
			return err
		}
		text, err := fetch(ctx, "http://"+address+":9090/metrics")
		if err != nil {
			return fmt.Errorf("metrics of %s: %w", c.Name, err)
		}
		for _, match := range exported.FindAllStringSubmatch(text, -1) {
			known[match[1]] = true
		}
	}
	var missing []error
	for _, file := range monitoringFiles {
		text, err := os.ReadFile(filepath.Join(harness.Root(), file))
		if err != nil {
			return err
		}
		for _, name := range askedFor.FindAllString(string(text), -1) {
			if strings.HasPrefix(name, "quorate_proxy_") {
				continue // no proxy is in the stack
			}
			if base := strings.TrimSuffix(name, "_bucket"); !known[base] {
				known[base] = true
				missing = append(missing, fmt.Errorf("%s asks for %s, which no service measures", file, base))
			}
		}
	}
	return errors.Join(missing...)
}

func fetch(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

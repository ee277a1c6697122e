package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/quoratedb/quorate/tests/faults/monitoring"
	"github.com/quoratedb/quorate/tests/harness"
)

// rules writes the alerts of the mixin and our own, with short waits, and returns their files.
func (o options) rules(ctx context.Context, dir string) ([]string, error) {
	mixin, err := o.render(ctx, fmt.Sprintf(`((import %q) + { _config+:: { scrape_interval_seconds: 1 } }).prometheusAlerts`, filepath.Join(o.mixin, "mixin.libsonnet")))
	if err != nil {
		return nil, err
	}
	own, err := os.ReadFile(filepath.Join(harness.Root(), "deploy/prometheus/rules.yml"))
	if err != nil {
		return nil, err
	}
	var files []string
	for name, text := range map[string][]byte{"mixin.json": mixin, "own.yml": own} {
		file := filepath.Join(dir, name)
		files = append(files, file)
		if err := os.WriteFile(file, monitoring.Hurried(text), 0o600); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// render evaluates jsonnet. The library that draws the mixin's newer dashboards is stood in for by what keeps their expressions.
func (o options) render(ctx context.Context, expression string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, o.jsonnet, "-J", filepath.Join(harness.Root(), "tests/faults/alerts/jsonnet"), "-e", expression).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return out, err
}

// dashboards asks every expression of the mixin's dashboards, for Grafana 7 and for newer ones, and fails where one has no series.
func (o options) dashboards(ctx context.Context, p *prometheus) error {
	old, err := o.render(ctx, fmt.Sprintf(`((import %q) + { _config+:: { grafana7x: true } }).grafanaDashboards`, filepath.Join(o.mixin, "mixin.libsonnet")))
	if err != nil {
		return err
	}
	targets, err := o.render(ctx, fmt.Sprintf(`(import %q)({ datasource: { name: 'datasource' } }, (import %q)._config)`,
		filepath.Join(o.mixin, "dashboards/targets.libsonnet"), filepath.Join(o.mixin, "config.libsonnet")))
	if err != nil {
		return err
	}
	asked := map[string]bool{}
	for _, text := range [][]byte{old, targets} {
		var tree any
		if err := json.Unmarshal(text, &tree); err != nil {
			return err
		}
		collect(tree, asked)
	}
	if len(asked) == 0 {
		return errors.New("the mixin's dashboards have no expressions")
	}
	var empty []error
	for expression := range asked {
		query := strings.NewReplacer("$__rate_interval", "1m", "$cluster", "etcd").Replace(expression)
		series, err := p.Query(ctx, query)
		if err != nil {
			return err
		}
		if series == 0 {
			empty = append(empty, fmt.Errorf("no series for %s", query))
		}
	}
	fmt.Printf("dashboards: %d expressions, %d without a series\n", len(asked), len(empty))
	return errors.Join(empty...)
}

// collect finds the expressions in a dashboard.
func collect(tree any, into map[string]bool) {
	switch node := tree.(type) {
	case map[string]any:
		if expression, ok := node["expr"].(string); ok {
			into[expression] = true
		}
		for _, child := range node {
			collect(child, into)
		}
	case []any:
		for _, child := range node {
			collect(child, into)
		}
	}
}

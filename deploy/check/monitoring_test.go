package check

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	_ "github.com/prometheus/prometheus/discovery/dns"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
)

// names returns the metrics that an expression asks for.
func names(t *testing.T, expression string) []string {
	t.Helper()
	var all []string
	for _, selector := range selectors(t, expression) {
		all = append(all, selector.Name)
	}
	return all
}

// selectors returns what an expression asks for.
func selectors(t *testing.T, expression string) []*parser.VectorSelector {
	t.Helper()
	// Grafana's own variable is a duration to everybody else.
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(strings.ReplaceAll(expression, "$__rate_interval", "1m"))
	require.NoError(t, err, expression)
	var all []*parser.VectorSelector
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			all = append(all, selector)
		}
		return nil
	})
	require.NotEmpty(t, all, expression)
	return all
}

// Goal: Prometheus takes its configuration and the rules. Method: its own parsers.
func TestPrometheusConfiguration(t *testing.T) {
	c, err := config.Load(string(read(t, "deploy/prometheus/prometheus.yml")), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.Len(t, c.ScrapeConfigs, 5)
	require.Equal(t, []string{"rules.yml", "rules-apart.yml"}, c.RuleFiles)
	for _, file := range c.RuleFiles {
		for _, rule := range rules(t, file) {
			require.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
			require.NotEmpty(t, rule.Annotations["action"], "%s says nobody what to do", rule.Alert)
		}
	}
}

// rules are those of a file.
func rules(t *testing.T, file string) []rulefmt.Rule {
	t.Helper()
	parsed, errs := rulefmt.Parse(read(t, "deploy/prometheus/"+file), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	require.Empty(t, errs)
	var all []rulefmt.Rule
	for _, group := range parsed.Groups {
		all = append(all, group.Rules...)
	}
	require.NotEmpty(t, all)
	return all
}

// matcher is what a selector says of a label, nil for nothing.
func matcher(selector *parser.VectorSelector, label string) *labels.Matcher {
	for _, m := range selector.LabelMatchers {
		if m.Name == label {
			return m
		}
	}
	return nil
}

// kinds are the jobs under which nodes of ours are scraped, one for each kind.
func kinds(t *testing.T) []string {
	t.Helper()
	c, err := config.Load(string(read(t, "deploy/prometheus/prometheus.yml")), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	jobs := []string{"quorate", "quorate-proxy"} // which no stack of ours has
	for _, scraped := range c.ScrapeConfigs {
		jobs = append(jobs, scraped.JobName)
	}
	return jobs
}

// Goal: rules look at our own jobs alone, do not mix clusters, and every kind of node has one that says that all of its nodes are gone. Method: the
// selectors and aggregations of each.
func TestAlertsAreScoped(t *testing.T) {
	jobs := kinds(t)
	gone := map[string]bool{} // jobs whose nodes are looked after, all together
	for _, rule := range append(rules(t, "rules.yml"), rules(t, "rules-apart.yml")...) {
		for _, selector := range selectors(t, rule.Expr) {
			job := matcher(selector, "job")
			require.NotNil(t, job, "%s: %s", rule.Alert, selector)
			matched := slices.DeleteFunc(slices.Clone(jobs), func(name string) bool { return !job.Matches(name) })
			require.NotEmpty(t, matched, "%s: %s", rule.Alert, selector)
			require.False(t, job.Matches("etcd"), rule.Alert)
			if selector.Name == "up" && rule.Labels["severity"] == "critical" {
				for _, name := range matched {
					gone[name] = true
				}
			}
		}
		for _, by := range regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`).FindAllStringSubmatch(rule.Expr, -1) {
			require.Contains(t, by[1], "cluster", rule.Alert)
		}
	}
	for _, name := range jobs {
		require.True(t, gone[name], "no critical alert says that all of %s are gone", name)
	}
}

// Goal: the dashboard can be narrowed to a cluster and a node, shows latency and saturation, and every kind of node. Method: its variables, the
// selectors of its queries and the titles of its rows.
func TestDashboardIsScoped(t *testing.T) {
	var dashboard struct {
		Templating struct{ List []struct{ Name string } }
		Panels     []struct{ Title, Type string }
	}
	require.NoError(t, json.Unmarshal(read(t, "deploy/grafana/dashboards/quorate.json"), &dashboard))
	var variables []string
	for _, variable := range dashboard.Templating.List {
		variables = append(variables, variable.Name)
	}
	require.Equal(t, []string{"cluster", "instance"}, variables)
	for _, expression := range dashboardExpressions(t) {
		for _, selector := range selectors(t, expression) {
			for _, variable := range variables {
				of := matcher(selector, variable)
				require.NotNil(t, of, expression)
				require.Equal(t, "$"+variable, of.Value, expression)
			}
		}
	}
	rows := ""
	for _, panel := range dashboard.Panels {
		if panel.Type == "row" {
			rows += panel.Title + "\n"
		}
	}
	for _, row := range []string{"Latency", "Saturation"} {
		require.Contains(t, rows, row)
	}
}

// rowOf is what the title of a kind's row of the dashboard says.
var rowOf = map[string]string{
	"quorate": "Members", "quorate-consensus": "Members", "quorate-lease": "lease nodes", "quorate-watch": "watch nodes", "quorate-api": "API nodes",
	"quorate-front": "fronts", "quorate-proxy": "proxies",
}

// Goal: the dashboard has a row for each kind of node, with what only such nodes measure, and the first panel counts all of them. Method: each job that is
// scraped has a row, and each query of that row asks nodes of that job.
func TestEveryKindOfNodeHasARow(t *testing.T) {
	var dashboard struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(read(t, "deploy/grafana/dashboards/quorate.json"), &dashboard))
	below := map[string][]string{} // the queries of each row
	row, counted := "", ""
	for _, panel := range dashboard.Panels {
		if panel.Type == "row" {
			row = panel.Title
		}
		for _, target := range panel.Targets {
			below[row] = append(below[row], target.Expr)
			if panel.Title == "Nodes that are up, by kind" {
				counted = target.Expr
			}
		}
	}
	for _, kind := range kinds(t) {
		require.Contains(t, rowOf, kind, "no row is known for it")
		require.True(t, matcher(selectors(t, counted)[0], "job").Matches(kind), kind)
		found := 0
		for title, expressions := range below {
			if !strings.Contains(title, rowOf[kind]) {
				continue
			}
			for _, expression := range expressions {
				for _, selector := range selectors(t, expression) {
					job := matcher(selector, "job")
					require.True(t, job == nil || job.Matches(kind), "%s: %s", title, expression)
					found++
				}
			}
		}
		require.GreaterOrEqual(t, found, 3, "the row of %s", kind)
	}
}

// dashboardExpressions are all queries of the dashboard.
func dashboardExpressions(t *testing.T) []string {
	t.Helper()
	var dashboard struct {
		UID, Title string
		Panels     []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(read(t, "deploy/grafana/dashboards/quorate.json"), &dashboard))
	require.Equal(t, "quorate", dashboard.UID)
	var all []string
	for _, panel := range dashboard.Panels {
		require.NotEmpty(t, panel.Title)
		require.True(t, panel.Type == "row" || len(panel.Targets) > 0, panel.Title)
		for _, target := range panel.Targets {
			all = append(all, target.Expr)
		}
	}
	require.NotEmpty(t, all)
	return all
}

// Goal: rules and dashboard ask for metrics that there are, also of a member in one process. Method: run one, have it serve a call of each kind, run a
// proxy and a front before it, and look every name up in their metrics. What only services apart have is looked up by make compose-test.
func TestMetricsThatAreAskedForExist(t *testing.T) {
	exported := scrape(t)
	expressions := dashboardExpressions(t)
	for _, rule := range rules(t, "rules.yml") {
		expressions = append(expressions, rule.Expr)
	}
	for _, expression := range expressions {
		for _, name := range names(t, expression) {
			base := strings.TrimSuffix(name, "_bucket")
			require.True(t, name == "up" || exported[base], "%s in %s", name, expression)
		}
	}
}

// scrape runs a member, and a proxy and a front before it, and returns the names of all that they measure.
func scrape(t *testing.T) map[string]bool {
	t.Helper()
	client, peer, proxy, front := freeURL(t), freeURL(t), freeURL(t), freeURL(t)
	start(t, "ready to serve client requests", "quorate", "--data-dir="+t.TempDir(), "--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer, "--metrics=extensive")
	start(t, "ready to serve client requests", "quorate", "grpc-proxy", "start", "--endpoints="+client, "--listen-addr="+strings.TrimPrefix(proxy, "http://"))
	_, port, _ := strings.Cut(strings.TrimPrefix(freeURL(t), "http://"), ":")
	start(t, "passing connections on", "quorate-stack", "front", "--nodes=localhost", "--listen-host=127.0.0.1", "--ports="+port, "--listen-health="+strings.TrimPrefix(front, "http://"))
	for method, body := range map[string]string{"KV/Put": `{"key":"YQ=="}`, "Lease/LeaseGrant": `{"TTL":60}`, "KV/Range": `{"key":"YQ=="}`} {
		response, err := http.Post(client+"/etcdserverpb."+method, "application/json", strings.NewReader(body))
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, http.StatusOK, response.StatusCode, method)
	}
	exported := map[string]bool{}
	for _, node := range []string{client, proxy, front} {
		response, err := http.Get(node + "/metrics")
		require.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		require.NoError(t, err)
		found := regexp.MustCompile(`(?m)^# TYPE (\S+) `).FindAllStringSubmatch(string(text), -1)
		require.NotEmpty(t, found, node)
		for _, match := range found {
			exported[match[1]] = true
		}
	}
	return exported
}

// start runs a program of ours for the length of a test, and returns when it has printed that it is ready.
func start(t *testing.T, readyLine, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(program(t, name), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(log)
	ready := false
	for !ready && lines.Scan() {
		ready = strings.Contains(lines.Text(), readyLine)
	}
	require.True(t, ready, "%s does not serve", name)
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(io.Discard, log)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
	})
}

// freeURL is a URL of a loopback port that nobody listens on.
func freeURL(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return fmt.Sprintf("http://%s", listener.Addr())
}

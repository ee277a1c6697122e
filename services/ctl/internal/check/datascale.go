package check

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/progress"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// datascaleLoads are the loads by size: key-values, and clients that write them.
var datascaleLoads = []struct{ pairs, clients int }{{10_000, 50}, {100_000, 200}, {1_000_000, 500}, {3_000_000, 1000}}

const (
	datascaleKeyBytes   = 512
	datascaleValueBytes = 512
	// residentMetric is the memory of the server's process, in bytes.
	residentMetric = "process_resident_memory_bytes"
	mebibyte       = 1 << 20
)

func newDatascale(s *shell.Shell) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "datascale [options]",
		Short: "Write many key-values, and say how much memory the server takes for them",
		Long:  "Write many key-values, and say how much memory the server takes for them: the one at the first endpoint, whose metrics are read.",
		RunE:  s.Run(f.datascale),
	}
	f.register(cmd, "/etcdctl-check-datascale/")
	return cmd
}

func (f *flags) datascale(call *shell.Call) error {
	size, err := f.size()
	if err != nil {
		return err
	}
	load := datascaleLoads[size]
	ctx, cancel := call.Timeout()
	defer cancel()
	clients, err := f.clients(ctx, call, load.clients)
	if err != nil {
		return err
	}
	config, err := call.Config()
	if err != nil {
		return err
	}
	before, err := resident(config)
	if err != nil {
		call.Printf("%v\nFAIL: Could not read %s before the put operations.\n", err, residentMetric)
		return exit.Silently(exit.Failure)
	}
	call.Printf("Start data scale check for work load [%d key-value pairs, %d bytes per key-value, %d concurrent clients].\n",
		load.pairs, datascaleKeyBytes+datascaleValueBytes, load.clients)
	requests := make(chan struct{}, load.pairs)
	for range load.pairs {
		requests <- struct{}{}
	}
	close(requests)
	bar := progress.Count(call.Shell.Stderr, load.pairs)
	result := f.put(clients, requests, datascaleKeyBytes, datascaleValueBytes, bar.Add)
	bar.Finish()
	after, afterErr := resident(config)
	if err := f.clean(call, clients[0]); err != nil {
		return exit.With(exit.Failure, err)
	}
	if afterErr != nil {
		call.Printf("%v\nFAIL: Could not read %s after the put operations.\n", afterErr, residentMetric)
		return exit.Silently(exit.Failure)
	}
	if result.complain(call) {
		return exit.Silently(exit.Failure)
	}
	call.Printf("PASS: Approximate system memory used : %.2f MB.\n", (after-before)/mebibyte)
	return nil
}

// resident reads the memory of the server at the first endpoint off its metrics.
func resident(config *clientv3.Config) (float64, error) {
	url := config.Endpoints[0] + "/metrics"
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	settings := &tls.Config{}
	if config.TLS != nil {
		settings = config.TLS.Clone()
	}
	transport := &http.Transport{TLSClientConfig: settings, Proxy: http.ProxyFromEnvironment}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: cleanTimeout}
	answer, err := client.Get(url)
	if err != nil {
		return 0, fmt.Errorf("fetch error: %w", err)
	}
	body, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return 0, fmt.Errorf("fetch error: reading %s: %w", url, err)
	}
	for line := range strings.Lines(string(body)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name == residentMetric {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("could not find: %s at %s", residentMetric, url)
}

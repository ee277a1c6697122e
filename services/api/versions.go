package api

import (
	"runtime"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// registerVersions tells by etcd's names which versions run: of etcd, what this server behaves like.
func registerVersions(cfg Config) {
	if cfg.Registerer == nil {
		return
	}
	for _, each := range []struct{ name, help, label, value string }{
		{"etcd_server_version", "Which version is running. 1 for 'server_version' label with current version.", "server_version", cfg.Versions.Server},
		{"etcd_server_go_version", "Which Go version server is running with. 1 for 'server_go_version' label with current version.", "server_go_version", runtime.Version()},
		{"etcd_cluster_version", "Which version is running. 1 for 'cluster_version' label with current cluster version", "cluster_version", minor(cfg.Versions.Cluster)},
	} {
		version := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: each.name, Help: each.help}, []string{each.label})
		version.WithLabelValues(each.value).Set(1)
		cfg.Registerer.MustRegister(version)
	}
}

// minor is a version without its last number, as clusters agree on.
func minor(version string) string {
	numbers := strings.SplitN(version, ".", 3)
	return strings.Join(numbers[:min(2, len(numbers))], ".")
}

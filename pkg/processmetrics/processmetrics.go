// Package processmetrics has what every process of ours measures of itself: Go's and the process's own metrics, etcd's of file
// descriptors, which build it is, and how much memory it may take. It knows nothing of what the process serves.
package processmetrics

import (
	"math"
	"os"
	"runtime"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/pkg/buildinfo"
)

// NewRegistry returns a registry that has them.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "quorate_build_info", Help: "1 for the commit and the version of Go that the program was built of.",
	}, []string{"revision", "go_version"})
	build.WithLabelValues(buildinfo.Revision(), runtime.Version()).Set(1)
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build,
		gauge("os_fd_used", "The number of used file descriptors.", used),
		gauge("os_fd_limit", "The file descriptor limit.", limit),
		gauge("quorate_memory_limit_bytes", "Bytes of memory that the process goes by: GOMEMLIMIT, or its control group's limit.",
			func() float64 { return float64(budget.Limit()) }),
	)
	return registry
}

func gauge(name, help string, value func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
}

// used is NaN where the system does not tell.
func used() float64 {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return math.NaN()
	}
	return float64(len(open))
}

func limit() float64 {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return math.NaN()
	}
	return float64(files.Cur)
}

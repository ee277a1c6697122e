package commandline

import (
	"flag"

	"github.com/quoratedb/quorate/services/quorate/config"
)

// TracingFlags are the names of the flags about traces, for programs that have them too.
var TracingFlags = []string{
	"enable-distributed-tracing", "distributed-tracing-address", "distributed-tracing-service-name", "distributed-tracing-instance-id",
	"distributed-tracing-sampling-rate",
}

// registerTracing adds them. They write to c.
func registerTracing(fs *flag.FlagSet, c *config.Config) {
	t := &c.Tracing
	fs.BoolVar(&t.Enabled, "enable-distributed-tracing", false, "Export spans of requests to an OpenTelemetry collector.")
	fs.StringVar(&t.Address, "distributed-tracing-address", t.Address, "Where the collector takes OTLP over gRPC, without TLS.")
	fs.StringVar(&t.ServiceName, "distributed-tracing-service-name", t.ServiceName, "The service that spans are said to be of.")
	fs.StringVar(&t.InstanceID, "distributed-tracing-instance-id", t.InstanceID, "The instance of the service, not the same for two processes. Empty for none.")
	fs.IntVar(&t.SamplingRate, "distributed-tracing-sampling-rate", t.SamplingRate, "How many of a million requests are traced that bring no trace. Those that do are traced if their clients say so.")
}

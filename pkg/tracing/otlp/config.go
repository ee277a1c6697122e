package otlp

import (
	"errors"
	"fmt"
	"net"
)

// Config is what etcd's flags that begin with distributed-tracing- say.
type Config struct {
	// Enabled has spans recorded and exported.
	Enabled bool
	// Address is the collector's, host:port. It is spoken to without TLS.
	Address string
	// ServiceName and InstanceID tell the process from others; the latter may be empty.
	ServiceName, InstanceID string
	// SamplingRate is how many of a million requests are recorded that come without a trace of their own. Those with one are recorded if it
	// is: their clients have decided.
	SamplingRate int
}

// rateMax is all requests.
const rateMax = 1_000_000

// Default are etcd's defaults, but for the name of the service.
func Default(service string) Config {
	return Config{Address: "localhost:4317", ServiceName: service}
}

// Validate reports what is wrong, with the flags' names. What is not enabled may be anything.
func (c Config) Validate() error {
	if !c.Enabled {
		return nil
	}
	var problems []error
	if _, port, err := net.SplitHostPort(c.Address); err != nil || port == "" {
		problems = append(problems, fmt.Errorf("--distributed-tracing-address=%s: it is not of the form host:port", c.Address))
	}
	if c.ServiceName == "" {
		problems = append(problems, errors.New("--distributed-tracing-service-name= is empty"))
	}
	if c.SamplingRate < 0 || c.SamplingRate > rateMax {
		problems = append(problems, fmt.Errorf("--distributed-tracing-sampling-rate=%d: it is a number of spans in a million, from 0 to %d", c.SamplingRate, rateMax))
	}
	return errors.Join(problems...)
}

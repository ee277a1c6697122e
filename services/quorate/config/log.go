package config

import (
	"log/slog"

	"github.com/quoratedb/quorate/pkg/logging"
)

// OpenLog opens the log that LogLevel, Logger, LogFormat and LogOutputs describe, and returns a function that closes
// its files, to be called once. Where Log is set it is returned as it is, with a function that does nothing.
func (c Config) OpenLog() (*slog.Logger, func() error, error) {
	if c.Log != nil {
		return c.Log, func() error { return nil }, nil
	}
	return logging.Open(c.logging())
}

func (c Config) logging() logging.Config {
	return logging.Config{Level: c.LogLevel, Logger: c.Logger, Outputs: c.LogOutputs, Format: c.LogFormat}
}

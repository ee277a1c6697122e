package config

import (
	"log/slog"

	"github.com/quoratedb/quorate/pkg/logging"
)

// OpenLog opens the log that LogLevel, Logger, LogFormat and LogOutputs describe, and what it writes to, to be
// closed once. Where Log is set it is returned as it is, with outputs that are none.
func (c Config) OpenLog() (*slog.Logger, *logging.Outputs, error) {
	if c.Log != nil {
		return c.Log, &logging.Outputs{}, nil
	}
	return logging.Open(c.logging())
}

func (c Config) logging() logging.Config {
	return logging.Config{Level: c.LogLevel, Logger: c.Logger, Outputs: c.LogOutputs, Format: c.LogFormat}
}

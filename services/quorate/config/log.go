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
	settings, err := c.logging()
	if err != nil {
		return nil, nil, err
	}
	return logging.Open(settings)
}

func (c Config) logging() (logging.Config, error) {
	settings := logging.Config{Level: c.LogLevel, Logger: c.Logger, Outputs: c.LogOutputs, Format: c.LogFormat}
	if !c.EnableLogRotation {
		return settings, nil
	}
	rotation, err := logging.ParseRotation(c.LogRotation)
	settings.Rotation = rotation
	return settings, err
}

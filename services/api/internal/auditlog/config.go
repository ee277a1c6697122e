package auditlog

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quoratedb/quorate/pkg/boundedfile"
)

// Modes of a log.
const (
	// ModeBlocking has each request wait until its line is written, and refuses requests whose lines have no room.
	ModeBlocking = "blocking"
	// ModeDrop has no request wait: lines are lost, and counted, where they come faster than they are written.
	ModeDrop = "drop"
)

// defaultRotateBytes is how large a file becomes.
const defaultRotateBytes = 100 << 20

// hmacKeyBytesMin is the least that a key of HMACs must have.
const hmacKeyBytesMin = 16

// Config says what is written where. The fields but the last two are those of the flags that begin with audit-. The zero value writes nothing.
type Config struct {
	File        string // a path, or Stderr; empty for no log
	Level       string // of what no rule matches; empty for metadata
	PolicyFile  string
	Mode        string // empty for ModeBlocking
	Sync        bool   // each line is on the disk before its request is answered
	HMACKeyFile string
	RotateBytes int64 // 0 leaves files alone

	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Default is what counts unless it is said otherwise. It writes nothing.
func Default() Config {
	return Config{Level: LevelMetadata.String(), Mode: ModeBlocking, RotateBytes: defaultRotateBytes}
}

// On tells whether there is a log.
func (c Config) On() bool { return c.File != "" }

// Validate tells what is wrong with the settings, each under its flag. It opens no file.
func (c Config) Validate() error {
	var problems []error
	wrong := func(flag, value, format string, values ...any) {
		problems = append(problems, fmt.Errorf("--%s=%s: %s", flag, value, fmt.Sprintf(format, values...)))
	}
	if !c.On() {
		for _, unused := range []struct{ flag, value string }{{"audit-policy", c.PolicyFile}, {"audit-hmac-key-file", c.HMACKeyFile}} {
			if unused.value != "" {
				wrong(unused.flag, unused.value, "has no effect without --audit-log")
			}
		}
	}
	if _, err := c.level(); err != nil {
		wrong("audit-level", c.Level, "%s", err)
	}
	if c.Mode != "" && c.Mode != ModeBlocking && c.Mode != ModeDrop {
		wrong("audit-mode", c.Mode, "is %q or %q", ModeBlocking, ModeDrop)
	}
	if c.Sync && c.Mode == ModeDrop {
		wrong("audit-sync", "true", "has no effect with --audit-mode=%s: no request waits for its line", ModeDrop)
	}
	if c.RotateBytes < 0 {
		wrong("audit-rotate-bytes", fmt.Sprint(c.RotateBytes), "must not be negative")
	}
	return errors.Join(problems...)
}

func (c Config) level() (Level, error) {
	if c.Level == "" {
		return LevelMetadata, nil
	}
	return ParseLevel(c.Level)
}

// Check tells what is wrong with the files that the settings name, the policy above all.
func (c Config) Check() error {
	if !c.On() {
		return nil
	}
	_, policyProblem := c.policy()
	_, keyProblem := c.key()
	return errors.Join(policyProblem, keyProblem)
}

func (c Config) policy() (*Policy, error) {
	level, err := c.level()
	if err != nil {
		return nil, fmt.Errorf("--audit-level: %w", err)
	}
	if c.PolicyFile == "" {
		return &Policy{rest: level}, nil
	}
	text, err := boundedfile.Read(c.PolicyFile)
	if err != nil {
		return nil, fmt.Errorf("--audit-policy: %w", err)
	}
	policy, err := ParsePolicy(text)
	if err != nil {
		return nil, fmt.Errorf("--audit-policy=%s: %w", c.PolicyFile, err)
	}
	policy.rest = level
	return policy, nil
}

// key returns nil where there is none.
func (c Config) key() ([]byte, error) {
	if c.HMACKeyFile == "" {
		return nil, nil
	}
	key, err := boundedfile.Read(c.HMACKeyFile)
	if err != nil {
		return nil, fmt.Errorf("--audit-hmac-key-file: %w", err)
	}
	key = bytes.TrimSpace(key)
	if len(key) < hmacKeyBytesMin {
		return nil, fmt.Errorf("--audit-hmac-key-file=%s: the key has %d bytes; it needs %d, such as 'openssl rand -hex 32' makes", c.HMACKeyFile, len(key), hmacKeyBytesMin)
	}
	return key, nil
}

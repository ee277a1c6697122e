package logging

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A JSON line must have the keys and forms of etcd's. Log one with every kind of value to a file and read it.
func TestJSONLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	log, outputs, err := Open(Config{Logger: "zap", Outputs: []string{file}})
	require.NoError(t, err)
	began := time.Now().Truncate(time.Microsecond)
	log.Warn("slow disk",
		slog.Duration("took", 1500*time.Millisecond), slog.Any("error", io.ErrShortWrite),
		slog.Group("raft", slog.Uint64("term", 3), slog.String("level", "untouched"), slog.Duration("d", time.Second)))
	require.NoError(t, outputs.Close())
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(raw), "\n"))
	var line map[string]any
	require.NoError(t, json.Unmarshal(raw, &line))
	ts, err := time.Parse(timeFormat, line["ts"].(string))
	require.NoError(t, err)
	require.False(t, ts.Before(began))
	require.Regexp(t, `^logging/logging_test\.go:\d+$`, line["caller"])
	delete(line, "ts")
	delete(line, "caller")
	require.Equal(t, map[string]any{
		"level": "warn", "msg": "slow disk", "took": "1.5s", "error": "short write",
		"raft": map[string]any{"term": 3.0, "level": "untouched", "d": "1s"},
	}, line)
}

// The level must keep out what is below it, in any case of letters. Table of levels and what they let through.
func TestLevels(t *testing.T) {
	for level, want := range map[string]string{
		"": "iwe", "debug": "diwe", "info": "iwe", "WARN": "we", "error": "e", "dpanic": "", "panic": "", "fatal": "",
	} {
		file := filepath.Join(t.TempDir(), "log")
		log, outputs, err := Open(Config{Level: level, Outputs: []string{file}, Format: "console"})
		require.NoError(t, err)
		log.Debug("d")
		log.Info("i")
		log.Warn("w")
		log.Error("e")
		require.NoError(t, outputs.Close())
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		got := ""
		for line := range strings.Lines(string(raw)) {
			_, msg, _ := strings.Cut(line, " msg=")
			got += strings.TrimSpace(msg)
		}
		require.Equal(t, want, got, level)
	}
}

// Each output must get each line once, and files must keep what they had. Two files, one named twice, opened twice.
func TestSeveralOutputs(t *testing.T) {
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	for range 2 {
		log, outputs, err := Open(Config{Outputs: []string{a, b, a}})
		require.NoError(t, err)
		log.Info("hello")
		require.NoError(t, outputs.Close())
	}
	for _, file := range []string{a, b} {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, 2, strings.Count(string(raw), `"msg":"hello"`), file)
	}
}

// Names of outputs must mean what they mean to etcd. Table of names and the writers that come of them.
func TestOutputNames(t *testing.T) {
	for names, want := range map[string][]io.Writer{
		"":                        {os.Stderr},
		"default":                 {os.Stderr},
		"default,stderr,stdout":   {os.Stderr, os.Stdout},
		"systemd/journal,default": {os.Stderr},
		"stdout,/dev/null":        nil,
	} {
		var list []string
		if names != "" {
			list = strings.Split(names, ",")
		}
		o, err := openOutputs(list)
		require.NoError(t, err)
		require.Equal(t, want, o.writers, names)
	}
}

// An output that fails must not keep a line from the others. The first of two writers fails.
func TestFailingOutput(t *testing.T) {
	var got strings.Builder
	o := &Outputs{writers: []io.Writer{failing{}, &got}}
	_, err := o.Write([]byte("line\n"))
	require.ErrorIs(t, err, errDisk)
	require.Equal(t, "line\n", got.String())
}

// Everything that is wrong must be reported at once, with the flags' names. A configuration with four faults, and a
// file that cannot be opened.
func TestFaults(t *testing.T) {
	_, _, err := Open(Config{Level: "loud", Logger: "capnslog", Format: "xml", Outputs: []string{"stderr", ""}})
	for _, flag := range []string{`--log-level="loud"`, `--logger="capnslog"`, `--log-format="xml"`, "--log-outputs"} {
		require.ErrorContains(t, err, flag)
	}
	_, _, err = Open(Config{Outputs: []string{filepath.Join(t.TempDir(), "no", "such", "directory")}})
	require.ErrorIs(t, err, os.ErrNotExist)
}

var errDisk = errors.New("disk is full")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errDisk }

// Files that were renamed must be let go when that is asked for, and lines that are written meanwhile must be in one or the
// other. Rename the file, reopen while others write, and count.
func TestRenamedFileIsLetGo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	log, outputs, err := Open(Config{Outputs: []string{file}})
	require.NoError(t, err)
	var writing sync.WaitGroup
	for range 4 {
		writing.Go(func() {
			for range 100 {
				log.Info("line")
			}
		})
	}
	require.NoError(t, os.Rename(file, file+".1"))
	require.NoError(t, outputs.Reopen())
	writing.Wait()
	log.Info("after")
	require.NoError(t, outputs.Close())
	before, err := os.ReadFile(file + ".1")
	require.NoError(t, err)
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 401, strings.Count(string(before)+string(after), "\n"))
	require.Contains(t, string(after), "after")

	log, outputs, err = Open(Config{Outputs: []string{file}})
	require.NoError(t, err)
	require.NoError(t, os.Remove(file))
	require.NoError(t, os.Mkdir(file, 0o700))
	require.Error(t, outputs.Reopen())
	log.Info("goes on")
	require.NoError(t, outputs.Close())
}

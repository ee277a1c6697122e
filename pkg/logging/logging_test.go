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
	require.Regexp(t, `^\{"level":"warn","ts":"[^"]+","caller":"[^"]+","msg":"slow disk","took":`, string(raw), "zap's order")
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
			fields := strings.Fields(line) // the time, the level, the message
			got += fields[2]
		}
		require.Equal(t, want, got, level)
	}
}

// Goal: people get short lines: the time, the level, the message, and what belongs to it; in colour at a terminal alone. Method: a logger with attributes
// and a group of its own, with colour and without.
func TestConsoleLines(t *testing.T) {
	for colour, level := range map[bool]string{false: "WARN ", true: "\x1b[33mWARN \x1b[0m"} {
		var out strings.Builder
		log := slog.New(newConsoleHandler(&out, slog.LevelInfo, colour)).With("member", 7).WithGroup("disk")
		log.Debug("not shown")
		log.Warn("it is slow", "took", 1500*time.Millisecond)
		_, rest, _ := strings.Cut(out.String(), " ")
		require.Equal(t, level+" it is slow  member=7 disk.took=1.5s\n", rest)
	}
}

// flood is one place in the code: inlined it would be several.
//
//go:noinline
func flood(log *slog.Logger) { log.Warn("flood") }

// Goal: one place that logs without end hides no other, and the log says how many lines were left out; debugging lines are all there. Method: two
// places, and a clock that goes on when the test says so.
func TestRepeatedLinesAreLimited(t *testing.T) {
	var out strings.Builder
	now := time.Now()
	log := slog.New(newLimited(newZapHandler(&out, slog.LevelDebug), func() time.Time { return now }))
	for range 3 * repeatedMax {
		flood(log)
		log.Debug("detail")
	}
	log.Warn("another")
	require.Equal(t, repeatedMax, strings.Count(out.String(), "flood"))
	require.Equal(t, 3*repeatedMax, strings.Count(out.String(), "detail"))
	require.Contains(t, out.String(), "another")
	now = now.Add(repeatedWithin)
	out.Reset()
	flood(log)
	require.Contains(t, out.String(), `"lines-left-out":200`)
}

// Goal: the level changes while the logger is used, and goes back to what was asked for. Method: toggle it twice, for two levels.
func TestLevelChangesAtRunTime(t *testing.T) {
	for level, back := range map[string]string{"error": "error", "debug": "info"} {
		file := filepath.Join(t.TempDir(), "log")
		log, outputs, err := Open(Config{Level: level, Outputs: []string{file}})
		require.NoError(t, err)
		if level == "debug" {
			require.Equal(t, "info", outputs.ToggleDebug())
			require.Equal(t, "debug", outputs.ToggleDebug())
		}
		log.Debug("before")
		require.Equal(t, map[string]string{"error": "debug", "debug": "info"}[level], outputs.ToggleDebug())
		log.Debug("between")
		if level == "error" {
			require.Equal(t, back, outputs.ToggleDebug())
			log.Info("after")
		}
		require.NoError(t, outputs.Close())
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, level == "debug", strings.Contains(string(raw), "before"))
		require.Equal(t, level == "error", strings.Contains(string(raw), "between"))
		require.NotContains(t, string(raw), "after")
	}
}

// Goal: a file rotates by itself where that is asked for, and wrong settings are refused by their flags. Method: a file of 1 MiB that gets more.
func TestRotation(t *testing.T) {
	rotation, err := ParseRotation(`{"maxsize": 1, "maxbackups": 1}`)
	require.NoError(t, err)
	dir := t.TempDir()
	log, outputs, err := Open(Config{Outputs: []string{"stdout", filepath.Join(dir, "log")}, Rotation: rotation})
	require.NoError(t, err)
	outputs.writers = outputs.writers[1:]
	long := strings.Repeat("x", 100<<10)
	for range 15 {
		log.Info(long)
	}
	require.NoError(t, outputs.Reopen())
	require.NoError(t, outputs.Close())
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 2)

	_, _, err = Open(Config{Outputs: []string{"stderr"}, Rotation: rotation})
	require.ErrorIs(t, err, errRotatesOneFile)
	for _, wrong := range []string{"", "{", `{"size":1}`, `{"maxage":-1}`} {
		_, err := ParseRotation(wrong)
		require.ErrorContains(t, err, "--log-rotation-config-json="+wrong)
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
		o, err := openOutputs(list, nil)
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
			for range 20 {
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
	require.Equal(t, 81, strings.Count(string(before)+string(after), "\n"))
	require.Contains(t, string(after), "after")

	log, outputs, err = Open(Config{Outputs: []string{file}})
	require.NoError(t, err)
	require.NoError(t, os.Remove(file))
	require.NoError(t, os.Mkdir(file, 0o700))
	require.Error(t, outputs.Reopen())
	log.Info("goes on")
	require.NoError(t, outputs.Close())
}

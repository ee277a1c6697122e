package auditlog

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

// disk is an output whose room and patience a test decides.
type disk struct {
	mu       sync.Mutex
	text     strings.Builder
	free     int64
	reserved int64
	stalled  chan struct{} // nil: it does not stall
	broken   error         // of each Write
}

func (d *disk) Write(b []byte) (int, error) {
	d.mu.Lock()
	stalled := d.stalled
	d.mu.Unlock()
	if stalled != nil {
		<-stalled
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken != nil {
		return 0, d.broken
	}
	d.reserved -= int64(len(b))
	d.free -= int64(len(b))
	return d.text.Write(b)
}

func (d *disk) reserve(bytes int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if bytes > d.free {
		return syscall.ENOSPC
	}
	d.reserved = bytes
	return nil
}

func (d *disk) fill(free int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free = free
}

func (d *disk) sync() error                 { return nil }
func (d *disk) size() int64                 { return 0 }
func (d *disk) next(int64, time.Time) error { return errors.New("there is one disk") }
func (d *disk) close() error                { return nil }

func (d *disk) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

// runLog starts a log and stops it with the test.
func runLog(t *testing.T, c Config, out output) *Log {
	c.Logger = slog.New(slog.DiscardHandler)
	l := newLog(c, out, newMetrics(nil))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { l.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return l
}

// Goal: a line is in the file when write returns, so that an answer that follows is on record.
// Method: read what was written right after each write, by many goroutines at once.
func TestLineIsWrittenBeforeWriteReturns(t *testing.T) {
	d := &disk{free: 10 << 20}
	l := runLog(t, Config{}, d)
	var writers sync.WaitGroup
	for i := range 20 {
		writers.Go(func() {
			line := strings.Repeat("x", i+1) + "\n"
			if err := l.reserve(t.Context(), 100, queueBytesMax); err != nil {
				t.Errorf("reserve: %v", err)
				return
			}
			if err := l.write([]byte(line), 100); err != nil || !strings.Contains("\n"+d.String(), "\n"+line) {
				t.Errorf("line %d is not there: %v", i, err)
			}
		})
	}
	writers.Wait()
	require.Zero(t, l.mu.held, "what was reserved and not used is given back")
}

// Goal: on a full disk requests are refused before anything is done, what had room is still written, and all goes on once there is room.
// Method: a disk that is full from some moment on.
func TestFullDiskRefusesBeforeAndNotAfter(t *testing.T) {
	d := &disk{free: 3 * chunkBytes}
	l := runLog(t, Config{}, d)
	require.NoError(t, l.reserve(t.Context(), chunkBytes/2, queueBytesMax))
	d.fill(d.reserved) // somebody else has taken the rest
	kept := 0
	for l.reserve(t.Context(), 64<<10, queueBytesMax) == nil {
		kept++
		require.Less(t, kept, 100)
	}
	require.Equal(t, float64(1), testutil.ToFloat64(l.metrics.refused))
	require.NoError(t, l.write([]byte("kept\n"), chunkBytes/2), "its room was promised")
	require.Contains(t, d.String(), "kept\n")
	d.fill(10 * chunkBytes)
	require.NoError(t, l.reserve(t.Context(), 2*chunkBytes, queueBytesMax), "there is room again")
}

// Goal: a disk that stands still holds requests up for a bounded time, and bounds what waits in memory.
// Method: stall the writing, take all room that the queue has, and let it go again.
func TestStalledDiskHoldsNobodyForEver(t *testing.T) {
	d := &disk{free: 1 << 40, stalled: make(chan struct{})}
	l := runLog(t, Config{}, d)
	require.NoError(t, l.reserve(t.Context(), 100, queueBytesMax))
	answered := make(chan error, 1)
	go func() { answered <- l.write([]byte("late\n"), 100) }()
	require.Eventually(t, func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.mu.queued) == 0 && l.mu.held == 5 }, 5*time.Second, time.Millisecond)
	require.ErrorIs(t, l.reserve(t.Context(), queueBytesMax, queueBytesMax), ErrNoRoom)
	require.ErrorIs(t, <-answered, ErrNotWritten)
	d.mu.Lock()
	close(d.stalled)
	d.stalled = nil
	d.mu.Unlock()
	require.NoError(t, l.reserve(t.Context(), 100, queueBytesMax))
	require.NoError(t, l.write([]byte("again\n"), 100))
	require.Equal(t, "late\nagain\n", d.String())
}

// Goal: a log that drops makes nobody wait, and counts what it has lost.
// Method: more lines than the queue takes while the disk stands still.
func TestDropLosesAndCounts(t *testing.T) {
	d := &disk{stalled: make(chan struct{})}
	l := runLog(t, Config{Mode: ModeDrop}, d)
	line := []byte(strings.Repeat("x", 1<<20-1) + "\n")
	for range queueBytesMax>>20 + 10 {
		require.NoError(t, l.reserve(t.Context(), int64(len(line)), queueBytesMax))
		require.NoError(t, l.write(line, 0))
	}
	require.GreaterOrEqual(t, testutil.ToFloat64(l.metrics.lost), float64(1))
	close(d.stalled)
}

// Goal: what could not be written before the end is counted as lost, and told. Method: a full disk, a log that drops, and a stop.
func TestLinesLostAtTheEndAreCounted(t *testing.T) {
	var told strings.Builder
	l := newLog(Config{Mode: ModeDrop, Logger: slog.New(slog.NewTextHandler(&told, nil))}, &disk{broken: syscall.ENOSPC}, newMetrics(nil))
	for range 3 {
		require.NoError(t, l.write([]byte("line\n"), 0))
	}
	ended, end := context.WithCancel(t.Context())
	end()
	l.Run(ended)
	require.Equal(t, float64(3), testutil.ToFloat64(l.metrics.lost))
	require.Contains(t, told.String(), "lines wait in memory until it can")
	require.Contains(t, told.String(), `level=ERROR msg="lines of the audit log are lost: they could not be written before the end" lines=3`)
}

// Goal: a file that has become large is put aside, no line is lost or torn between two files, and a line that a crash has cut does not
// spoil the next one.
// Method: rotate often, and read all files together.
func TestFilesAreRotatedWithoutLoss(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	require.NoError(t, os.WriteFile(path, []byte(`{"cut`), 0o600))
	out, err := openFile(path)
	require.NoError(t, err)
	l := runLog(t, Config{RotateBytes: 64}, out)
	for range 50 {
		require.NoError(t, l.reserve(t.Context(), 100, queueBytesMax))
		require.NoError(t, l.write([]byte(strings.Repeat("x", 20)+"\n"), 100))
	}
	require.Eventually(t, func() bool { return testutil.ToFloat64(l.metrics.rotations) > 3 }, 5*time.Second, time.Millisecond)
	files, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	require.Greater(t, len(files), 3)
	lines := 0
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if line != `{"cut`+"\n" {
				require.Equal(t, strings.Repeat("x", 20)+"\n", line)
				lines++
			}
		}
	}
	require.Equal(t, 50, lines)
}

// Goal: SIGHUP begins another file, also after somebody else has renamed the first.
// Method: rename the file as logrotate does, send the signal to ourselves, and look where the next line is.
func TestHangupBeginsAnotherFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	out, err := openFile(path)
	require.NoError(t, err)
	l := runLog(t, Config{}, out)
	require.NoError(t, l.reserve(t.Context(), 100, queueBytesMax))
	require.NoError(t, l.write([]byte("first\n"), 100))
	require.NoError(t, os.Rename(path, path+".1"))
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	require.Eventually(t, func() bool { return testutil.ToFloat64(l.metrics.rotations) == 1 }, 5*time.Second, time.Millisecond)
	require.NoError(t, l.reserve(t.Context(), 100, queueBytesMax))
	require.NoError(t, l.write([]byte("second\n"), 100))
	for name, want := range map[string]string{path + ".1": "first\n", path: "second\n"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, want, string(text))
	}
}

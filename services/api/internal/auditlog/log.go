package auditlog

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

const (
	// queueBytesMax bounds the lines that wait to be written, and those that have their room and are not made yet.
	queueBytesMax = 16 << 20
	// loginBytesMax is up to where log-ins may fill that.
	loginBytesMax = queueBytesMax / 2
	// chunkBytes is how much room is kept on the disk at a time, chunkBytesMin what will do where there is less.
	chunkBytes, chunkBytesMin = 1 << 20, 16 << 10
	// lowBytes of room have the writer keep more, before requests wait for it.
	lowBytes = chunkBytes / 4
	// roomTimeout is how long a request waits for room, and writeTimeout for its line to be written.
	roomTimeout, writeTimeout = time.Second, 5 * time.Second
	// retryPause is how long the writer waits before it tries again what has failed.
	retryPause = time.Second
	// stopTimeout is how long a stop waits for a disk that stands still.
	stopTimeout = 5 * time.Second
)

var (
	// ErrNoRoom is returned by reserve when the line of a request would have no room: nothing must be done then.
	ErrNoRoom = errors.New("no room in the audit log")
	// ErrNotWritten is returned by write when the line was not written in time. It will be, if that is possible.
	ErrNotWritten = errors.New("the audit log is not being written")
)

// Log brings lines into a file. One goroutine, Run, touches the file; no lock is held meanwhile, and who waits for it waits for a bounded
// time. Room for a line is kept before its request is carried out, in memory and on the disk: then it can be written afterwards.
type Log struct {
	drop, syncs bool
	rotateBytes int64
	out         output
	logger      *slog.Logger
	metrics     *metrics
	wake        chan struct{}
	closed      sync.Once

	mu struct {
		sync.Mutex
		// queued is what is to be written, and batch whom to tell.
		queued []byte
		batch  *batch
		// held are the bytes that lines have been promised and that are not written yet; room are those on the disk besides.
		held, room int64
		// wanted is what a request waits for that found no room.
		wanted int64
		// failed is why the last reservation or writing failed; nil after one that did not.
		failed error
		// changed is closed, and replaced, when any of that has become better or worse.
		changed chan struct{}
	}
}

// batch are the lines that are written together.
type batch struct {
	done chan struct{}
	err  error // set when done is closed
	// told says that done is closed: the lines wait for another try, but nobody for them.
	told bool
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

func (b *batch) tell(err error) {
	if !b.told {
		b.told, b.err = true, err
		close(b.done)
	}
}

func newLog(c Config, out output, m *metrics) *Log {
	l := &Log{
		drop: c.Mode == ModeDrop, syncs: c.Sync, rotateBytes: c.RotateBytes, out: out, logger: c.Logger, metrics: m,
		wake: make(chan struct{}, 1),
	}
	l.mu.batch, l.mu.changed = newBatch(), make(chan struct{})
	if !l.drop {
		l.keepRoom() // else the first request would wait for it
	}
	return l
}

// reserve keeps room for a line of bytes, where no more than most are held with it. It returns ErrNoRoom, or why ctx has ended.
func (l *Log) reserve(ctx context.Context, bytes, most int64) error {
	if l.drop {
		return nil
	}
	var timeout <-chan time.Time
	for tries := 0; ; tries++ {
		l.mu.Lock()
		if l.mu.room >= bytes && l.mu.held+bytes <= most && l.mu.failed == nil {
			l.mu.room -= bytes
			l.mu.held += bytes
			low := l.mu.room < lowBytes
			l.mu.Unlock()
			if low {
				l.nudge()
			}
			return nil
		}
		if tries > 0 && l.mu.failed != nil {
			l.mu.Unlock()
			break
		}
		l.mu.wanted = max(l.mu.wanted, bytes)
		changed := l.mu.changed
		l.mu.Unlock()
		l.nudge()
		if timeout == nil {
			timer := time.NewTimer(roomTimeout)
			defer timer.Stop()
			timeout = timer.C
		}
		select {
		case <-changed:
			continue
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timeout:
		}
		break
	}
	l.metrics.refused.Inc()
	return ErrNoRoom
}

// release gives back the room of a line that is not written.
func (l *Log) release(bytes int64) {
	if l.drop || bytes == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.held -= bytes
	l.mu.room += bytes
}

// write brings a line, for which reserved bytes are kept, into the file. Unless the log drops it returns when the line is there; its
// error is ErrNotWritten.
func (l *Log) write(line []byte, reserved int64) error {
	l.mu.Lock()
	if l.drop {
		if int64(len(l.mu.queued)+len(line)) > queueBytesMax {
			l.mu.Unlock()
			l.metrics.lost.Inc()
			return nil
		}
		reserved = 0
	} else {
		l.mu.room += reserved - int64(len(line))
	}
	l.mu.held += int64(len(line)) - reserved
	l.mu.queued = append(l.mu.queued, line...)
	written := l.mu.batch
	l.mu.Unlock()
	l.metrics.lines.Inc()
	l.nudge()
	if l.drop {
		return nil
	}
	late := time.NewTimer(writeTimeout)
	defer late.Stop()
	select {
	case <-written.done:
		return written.err
	case <-late.C:
		return ErrNotWritten
	}
}

func (l *Log) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run writes until ctx ends, and what is there then. It begins another file at every SIGHUP.
func (l *Log) run(ctx context.Context) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	var again <-chan time.Time
	for {
		select {
		case <-l.wake:
		case <-again:
		case <-hangup:
			l.rotate()
		case <-ctx.Done():
			l.writeLast()
			if err := l.close(); err != nil {
				l.logger.Warn("the audit log could not be closed", slog.Any("error", err))
			}
			return
		}
		again = nil
		if !l.writeQueued() || !l.drop && !l.keepRoom() {
			again = time.After(retryPause)
		}
		if l.rotateBytes > 0 && l.out.size() >= l.rotateBytes {
			l.rotate()
		}
	}
}

// Run writes lines until ctx ends, and those that are there by then. A disk that stands still does not hold it up for longer than
// stopTimeout; the goroutine that waits for it is left behind.
func (l *Log) Run(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.run(ctx)
	}()
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	select {
	case <-done:
	case <-time.After(stopTimeout):
		l.logger.Error("lines of the audit log could not be written before the end: what it is on stands still")
	}
}

// close gives the output up, once.
func (l *Log) close() (err error) {
	l.closed.Do(func() { err = l.out.close() })
	return err
}

// writeQueued writes what is queued, together. What fails is kept, and tried again.
func (l *Log) writeQueued() bool {
	l.mu.Lock()
	lines, told := l.mu.queued, l.mu.batch
	if len(lines) == 0 {
		l.mu.Unlock()
		return true
	}
	l.mu.queued, l.mu.batch = nil, newBatch()
	l.mu.Unlock()

	began := time.Now()
	n, err := l.out.Write(lines)
	if err == nil && l.syncs {
		err = l.out.sync()
	}
	l.metrics.seconds.Observe(time.Since(began).Seconds())

	l.mu.Lock()
	l.mu.held -= int64(n)
	if rest := lines[n:]; len(rest) > 0 {
		l.mu.queued = append(rest[:len(rest):len(rest)], l.mu.queued...)
	}
	l.stands(err)
	l.mu.Unlock()
	if err != nil {
		told.tell(ErrNotWritten)
	}
	told.tell(nil)
	return err == nil
}

// writeLast writes what is queued at the end, and says so where that fails: nobody tries again.
func (l *Log) writeLast() {
	if l.writeQueued() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	lost := bytes.Count(l.mu.queued, []byte{'\n'})
	l.metrics.lost.Add(float64(lost))
	l.logger.Error("lines of the audit log are lost: they could not be written before the end", slog.Int("lines", lost), slog.Any("error", l.mu.failed))
}

// stands notes how the output is, and tells those who wait. It wants the lock.
func (l *Log) stands(err error) {
	switch {
	case err != nil && l.mu.failed == nil:
		then := "requests are refused until it can"
		if l.drop {
			then = "lines wait in memory until it can, and those beyond 16 MiB are lost"
		}
		l.logger.Error("the audit log cannot be written; "+then, slog.Any("error", err))
	case err == nil && l.mu.failed != nil:
		l.logger.Info("the audit log is written again")
	}
	l.mu.failed = err
	if l.mu.changed != nil {
		close(l.mu.changed)
	}
	l.mu.changed = make(chan struct{})
}

// keepRoom keeps more room on the disk if there is little, a chunk at once or as much as there is.
func (l *Log) keepRoom() bool {
	l.mu.Lock()
	wanted, promised, enough := l.mu.wanted, l.mu.held+l.mu.room, l.mu.room >= max(lowBytes, l.mu.wanted) && l.mu.failed == nil
	l.mu.wanted = 0
	l.mu.Unlock()
	if enough {
		return true
	}
	var err error
	for _, chunk := range []int64{chunkBytes + wanted, chunkBytesMin + wanted, wanted} {
		if chunk == 0 {
			break
		}
		if err = l.out.reserve(promised + chunk); err == nil {
			l.mu.Lock()
			l.mu.room += chunk
			l.stands(nil)
			l.mu.Unlock()
			return true
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if wanted == 0 && l.mu.room >= chunkBytesMin {
		return true // there is some yet, and nobody waits
	}
	l.stands(err)
	return err == nil
}

// rotate begins another file, with as much room as this one has.
func (l *Log) rotate() {
	l.mu.Lock()
	promised := l.mu.held + l.mu.room
	l.mu.Unlock()
	if err := l.out.next(max(promised, 1), time.Now()); err != nil {
		l.logger.Warn("the audit log goes on in the same file: another one could not be begun", slog.Any("error", err))
		return
	}
	l.metrics.rotations.Inc()
}

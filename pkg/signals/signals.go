// Package signals says what the programs do about signals: SIGTERM and SIGINT stop them cleanly, SIGHUP has them open
// their log files anew.
package signals

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// repeatedWithin is how long after the first signal to stop further ones mean the same: service managers and shells send
// theirs to a whole group of processes, and whoever passes it on makes two of one. Later ones end the process at once.
const repeatedWithin = 5 * time.Second

// Context returns a context that ends with the first signal to stop, and a function that gives the signals back and waits for
// what was started. reopen is called for each SIGHUP.
func Context(log *slog.Logger, reopen func() error) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	arrived := make(chan os.Signal, 8)
	signal.Notify(arrived, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	released, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		listen(arrived, released, log, reopen, cancel)
	}()
	return ctx, func() {
		signal.Stop(arrived)
		close(released)
		<-done
		cancel(nil)
	}
}

func listen(arrived <-chan os.Signal, released <-chan struct{}, log *slog.Logger, reopen func() error, stop func(error)) {
	var patience <-chan time.Time
	for {
		select {
		case s := <-arrived:
			switch {
			case s == syscall.SIGHUP:
				reopenLogs(log, reopen)
			case patience == nil:
				stop(fmt.Errorf("signal %s", s))
				patience = time.After(repeatedWithin)
			default:
				log.Info("stopping already; a signal later than this ends the process at once", "signal", s.String(), "later-than", repeatedWithin)
			}
		case <-patience:
			signal.Reset(syscall.SIGTERM, syscall.SIGINT)
			patience = make(chan time.Time) // once
		case <-released:
			return
		}
	}
}

func reopenLogs(log *slog.Logger, reopen func() error) {
	if err := reopen(); err != nil {
		log.Error("cannot open the log files anew, writing on to those that are open", "error", err)
		return
	}
	log.Info("opened the log files anew")
}

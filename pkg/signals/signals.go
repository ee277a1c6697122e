// Package signals says what the programs do about signals: SIGTERM and SIGINT stop them cleanly, SIGHUP has them open
// their log files anew, SIGUSR1 to log everything, or again what they were told to.
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

// Outputs are where the log goes.
type Outputs interface {
	// Reopen opens files anew.
	Reopen() error
	// ToggleDebug has everything logged, or again what was asked for, and returns the level.
	ToggleDebug() string
}

// Context returns a context that ends with the first signal to stop, and a function that gives the signals back and waits for
// what was started. Each SIGHUP and SIGUSR1 is for the log.
func Context(log *slog.Logger, outputs Outputs) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	arrived := make(chan os.Signal, 8)
	signal.Notify(arrived, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1)
	released, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		listen(arrived, released, log, outputs, cancel)
	}()
	return ctx, func() {
		signal.Stop(arrived)
		close(released)
		<-done
		cancel(nil)
	}
}

func listen(arrived <-chan os.Signal, released <-chan struct{}, log *slog.Logger, outputs Outputs, stop func(error)) {
	var patience <-chan time.Time
	for {
		select {
		case s := <-arrived:
			switch {
			case s == syscall.SIGHUP:
				reopenLogs(log, outputs)
			case s == syscall.SIGUSR1:
				log.Warn("the level of the log was changed by a signal", "level", outputs.ToggleDebug())
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

func reopenLogs(log *slog.Logger, outputs Outputs) {
	if err := outputs.Reopen(); err != nil {
		log.Error("cannot open the log files anew, writing on to those that are open", "error", err)
		return
	}
	log.Info("opened the log files anew")
}

package main

import (
	"fmt"
	"syscall"
	"time"
)

// million loads a million keys, and measures either that or a start with them. Peak memory is of the load, or of the start and a read.
func million(restart bool) func(*trial) error {
	return func(t *trial) error {
		l, err := newLoad(t, 100)
		if err != nil {
			return err
		}
		defer l.close()
		keys := t.times(1_000_000)
		if err := t.measure(keys, func() error { return l.fill("key", keys, 1000) }); err != nil {
			return err
		}
		if !restart {
			bytes, err := onDisk(t.only().DataDir())
			t.result.note = fmt.Sprintf("%d MB on disk", bytes>>20)
			return err
		}
		if _, err := t.only().Stop(syscall.SIGTERM); err != nil {
			return err
		}
		begin := time.Now()
		if err := t.only().Start(t.ctx); err != nil {
			return err
		}
		t.result.value, t.result.cpuPerOp = time.Since(begin).Seconds(), 0
		_, err = l.list(0, keys)
		return err
	}
}

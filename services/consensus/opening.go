package consensus

import (
	"fmt"
	"time"

	"github.com/quoratedb/quorate/services/consensus/internal/datadir"
)

// ErrForeignData is returned by New when the data directory does not hold what the configuration describes, or its
// parts do not belong together. Nothing is changed then.
var ErrForeignData = datadir.ErrForeignData

// ErrInterrupted is returned by New when Config.Interrupt was closed before the member was open. The data is as after a crash.
var ErrInterrupted = datadir.ErrInterrupted

// ErrNotForced is returned by New when Config.ForceNewCluster asks for what this member's data cannot give.
var ErrNotForced = datadir.ErrNotForced

// openData opens what the member has. The storage engines may wait for ever for a disk that has failed: then there is
// nothing to close either, as in await.
func openData(cfg Config, failure *fatal) (*datadir.Data, error) {
	type outcome struct {
		*datadir.Data
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		data, err := datadir.Open(datadir.Config{
			Dir:             cfg.dir(),
			Founding:        cfg.founding(),
			Found:           cfg.Found,
			ForceNewCluster: cfg.ForceNewCluster,
			Store:           cfg.storeOptions(),
			Interrupt:       cfg.Interrupt,
			Transport:       cfg.Transport,
			Logger:          cfg.Logger,
			Registerer:      cfg.Registerer,
			Fatal:           failure.report,
		})
		done <- outcome{data, err}
	}()
	select {
	case o := <-done:
		return o.Data, o.err
	case <-failure.found:
	case <-cfg.Interrupt:
	}
	select {
	case o := <-done:
		return o.Data, o.err
	case <-time.After(stuckTimeout):
	}
	err := ErrInterrupted
	select {
	case <-failure.found:
		err = failure.cause()
	default:
	}
	return nil, fmt.Errorf("open the member's data: %w; the storage engine does not stop", err)
}

package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/faults/chaos/certs"
	"github.com/quoratedb/quorate/tests/faults/chaos/disk"
	"github.com/quoratedb/quorate/tests/faults/chaos/network"
)

const (
	// diskBytes is the size of a member's file system, which a run of minutes does not fill.
	diskBytes = 2 << 30
	// roomBytes is what a full disk has left: the system counts in pages.
	roomBytes = 16 << 10
	// breakOffEvery is how often a killed process is freed from the writes that it waits for.
	breakOffEvery = 20 * time.Millisecond
	// stopWithin is how long a member that is asked to stop may take.
	stopWithin = 30 * time.Second
)

// Member is one host with its disk, and the process on it if there is one. Only one goroutine may change a member at a time.
type Member struct {
	Index int
	Host  network.Host
	// Client talks to this member alone.
	Client *clientv3.Client

	cluster     *Cluster
	binary      string
	port        int // for the other members
	disk        *disk.Disk
	certificate certs.Files // of no use without TLS
	joined      bool        // it is, or is being made, a member of the cluster
	paused      bool
	promotes    bool   // it makes itself a voter
	started     string // the value of its initial-cluster flag
	state       string // new or existing
	// mayEnd is set while the process may end by itself: while its disk is full, or it is started in vain.
	mayEnd  atomic.Bool
	process *process
}

// Name is the member's name in the cluster.
func (m *Member) Name() string { return m.Host.Name }

// Endpoint is where clients find the member.
func (m *Member) Endpoint() string { return m.Host.Client + ":2379" }

// PeerURL is where the other members find it.
func (m *Member) PeerURL() string { return fmt.Sprintf("%s%s:%d", m.scheme(), m.Host.Peer, m.port) }

func (m *Member) scheme() string {
	if m.cluster.authority != nil {
		return "https://"
	}
	return "http://"
}

// PID is the id of its process.
func (m *Member) PID() int { return m.process.cmd.Process.Pid }

// Running reports whether its process runs and is not frozen.
func (m *Member) Running() bool { return m.process != nil && m.process.running() && !m.paused }

// Joined reports whether it belongs to the cluster.
func (m *Member) Joined() bool { return m.joined }

func (m *Member) args() []string {
	client := m.scheme() + m.Endpoint()
	args := []string{
		"--name=" + m.Name(),
		"--data-dir=" + filepath.Join(m.disk.Path(), "data"),
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		"--listen-peer-urls=" + m.PeerURL(),
		"--initial-advertise-peer-urls=" + m.PeerURL(),
		"--initial-cluster=" + m.started,
		"--initial-cluster-state=" + m.state,
		"--initial-cluster-token=chaos",
	}
	if m.cluster.authority != nil {
		for _, side := range []string{"", "peer-"} {
			args = append(args,
				"--"+side+"cert-file="+m.certificate.Cert, "--"+side+"key-file="+m.certificate.Key,
				"--"+side+"trusted-ca-file="+m.cluster.authority.CA(), "--"+side+"client-cert-auth",
			)
		}
	}
	if m.promotes {
		args = append(args, flagPromote)
	}
	return append(args, m.cluster.config.Args...)
}

// Launch starts the process as it was started before, and does not wait until it serves.
func (m *Member) Launch() error {
	if m.process != nil && m.process.running() {
		return fmt.Errorf("%s runs already", m.Name())
	}
	m.paused = false
	p, err := launch(m.Host.Name, m.cluster.logFile(m), m.binary, m.args(), func(state string) {
		m.cluster.down(m)
		if !m.mayEnd.Load() {
			m.cluster.died(m, state)
		}
	})
	m.process = p
	return err
}

// Swap has the member run the other build from its next Launch on. There is no way back: what a newer build has written, an older one
// need not be able to read.
func (m *Member) Swap() { m.binary = m.cluster.config.Other }

// Kill ends the process as a crash does, if it runs.
func (m *Member) Kill() error {
	if m.process == nil {
		return nil
	}
	m.cluster.down(m)
	m.process.tolerated.Store(true)
	if err := m.process.signal(syscall.SIGKILL); err != nil {
		return err
	}
	ticker := time.NewTicker(breakOffEvery)
	defer ticker.Stop()
	for m.process.running() {
		m.disk.BreakOff()
		select {
		case <-m.process.ended:
		case <-ticker.C:
		}
	}
	m.paused = false
	return nil
}

// ErrRuns is returned by LaunchInVain when the process does not end.
var ErrRuns = errors.New("the process does not end by itself")

// LaunchInVain starts the process, which should find that it must not run, and waits until it ends by itself within stopWithin.
func (m *Member) LaunchInVain(ctx context.Context) error {
	m.mayEnd.Store(true)
	defer m.mayEnd.Store(false)
	if err := m.Launch(); err != nil {
		return err
	}
	timer := time.NewTimer(stopWithin)
	defer timer.Stop()
	select {
	case <-m.process.ended:
		return nil
	case <-timer.C:
		return fmt.Errorf("%s: %w", m.Name(), ErrRuns)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stop asks the process to end and waits for that.
func (m *Member) Stop() error {
	m.cluster.down(m)
	m.process.tolerated.Store(true)
	if err := m.process.signal(syscall.SIGTERM); err != nil {
		return err
	}
	timer := time.NewTimer(stopWithin)
	defer timer.Stop()
	select {
	case <-m.process.ended:
		return nil
	case <-timer.C:
		return errors.Join(fmt.Errorf("%s does not stop within %v", m.Name(), stopWithin), m.Kill())
	}
}

// Pause freezes the process until Resume.
func (m *Member) Pause() error {
	m.paused = true
	m.cluster.down(m)
	return m.process.signal(syscall.SIGSTOP)
}

// Resume lets a frozen process go on.
func (m *Member) Resume() error {
	m.paused = false
	return m.process.signal(syscall.SIGCONT)
}

// StallDisk has every write of the member wait until ResumeDisk.
func (m *Member) StallDisk() { m.disk.Stall() }

// SlowDisk has every write of the member take so much longer until ResumeDisk.
func (m *Member) SlowDisk(by time.Duration) { m.disk.Slow(by) }

// ResumeDisk undoes StallDisk and SlowDisk.
func (m *Member) ResumeDisk() { m.disk.Resume() }

// FillDisk leaves the member next to no room on its disk until FreeDisk. The process may end because of that.
func (m *Member) FillDisk() error {
	m.mayEnd.Store(true)
	return m.disk.Fill(roomBytes)
}

// FreeDisk gives the room back, and waits until the member serves. One that has given up, or does so now, is started again.
func (m *Member) FreeDisk(ctx context.Context) error {
	if err := m.disk.Free(); err != nil {
		return err
	}
	defer m.mayEnd.Store(false)
	ctx, cancel := context.WithTimeout(ctx, HealthyWithin)
	defer cancel()
	return again(ctx, func(ctx context.Context) error {
		if !m.process.running() {
			if err := m.Launch(); err != nil {
				return err
			}
		}
		_, err := m.Client.Get(ctx, "health")
		return err
	})
}

// Wipe deletes what the member has stored. Its process must have ended.
func (m *Member) Wipe() error { return os.RemoveAll(m.data()) }

// data is where the member's data directory is to be changed; its process uses another path.
func (m *Member) data() string { return filepath.Join(m.disk.Files(), "data") }

// ID is the member's id as it says itself.
func (m *Member) ID(ctx context.Context) (uint64, error) {
	status, err := m.status(ctx)
	if err != nil {
		return 0, err
	}
	return status.Header.MemberId, nil
}

func (m *Member) status(ctx context.Context) (*clientv3.StatusResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return m.Client.Status(ctx, m.Endpoint())
}

// Save keeps a copy of what the member has stored, for Restore. Its process must have ended.
func (m *Member) Save() error {
	if err := os.RemoveAll(m.saved()); err != nil {
		return err
	}
	return os.CopyFS(m.saved(), os.DirFS(m.data()))
}

// Restore puts the copy of the last Save in the place of what the member has stored since. Its process must have ended.
func (m *Member) Restore() error {
	if err := m.Wipe(); err != nil {
		return err
	}
	return os.Rename(m.saved(), m.data())
}

func (m *Member) saved() string { return filepath.Join(m.disk.Files(), "saved") }

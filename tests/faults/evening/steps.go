package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/quoratedb/quorate/tests/harness"
)

// leader is the member that leads.
func (e *evening) leader(ctx context.Context) (*member, uint64, error) {
	for _, m := range e.members {
		status, err := e.root.Status(ctx, m.endpoint())
		if err != nil {
			return nil, 0, err
		}
		if status.Leader == status.Header.MemberId {
			return m, status.Leader, nil
		}
	}
	return nil, 0, errors.New("nobody leads")
}

// id is a member's.
func (e *evening) id(ctx context.Context, m *member) (uint64, error) {
	listed, err := e.root.MemberList(ctx)
	if err != nil {
		return 0, err
	}
	for _, one := range listed.Members {
		if slices.Contains(one.PeerURLs, m.peerURL()) {
			return one.ID, nil
		}
	}
	return 0, fmt.Errorf("no member is at %s", m.peerURL())
}

// diskFills fills the disk of the third member: writes are refused everywhere, an alarm and an alert say so, and all goes by itself once there is room.
func (e *evening) diskFills(ctx context.Context) error {
	if err := e.disk.Fill(hardMark / 2); err != nil {
		return err
	}
	if err := e.await(ctx, "writes are refused: there is no space", func(context.Context) (bool, error) {
		return errors.Is(e.writer.last(), rpctypes.ErrNoSpace), e.writer.last()
	}); err != nil {
		return err
	}
	if err := e.await(ctx, "the alarm NOSPACE is raised", e.alarmed(true)); err != nil {
		return err
	}
	if err := e.awaitAlert(ctx, "QuorateDiskFull", true); err != nil {
		return err
	}
	if err := e.disk.Free(); err != nil {
		return err
	}
	e.tell("there is room again")
	if err := e.await(ctx, "the alarm has gone by itself", e.alarmed(false)); err != nil {
		return err
	}
	return errors.Join(e.awaitWrites(ctx, 50), e.awaitAlert(ctx, "QuorateDiskFull", false))
}

func (e *evening) alarmed(want bool) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		alarms, err := e.root.AlarmList(ctx)
		if err != nil {
			return false, err
		}
		raised := slices.ContainsFunc(alarms.Alarms, func(a *etcdserverpb.AlarmMember) bool { return a.Alarm == etcdserverpb.AlarmType_NOSPACE })
		return raised == want, nil
	}
}

// memberDies kills the second member and deletes its data; another one takes its place.
func (e *evening) memberDies(ctx context.Context) error {
	dead := e.members[1]
	id, err := e.id(ctx, dead)
	if err != nil {
		return err
	}
	dead.server.Kill()
	if err := os.RemoveAll(dead.dir); err != nil {
		return err
	}
	if err := errors.Join(e.awaitAlert(ctx, "QuorateMemberDown", true), e.awaitWrites(ctx, 50)); err != nil {
		return err
	}
	if err := e.await(ctx, "member "+dead.name+" is removed, once the others have seen each other for long enough", func(ctx context.Context) (bool, error) {
		_, err := e.root.MemberRemove(ctx, id)
		return err == nil || errors.Is(err, rpctypes.ErrMemberNotFound), err
	}); err != nil {
		return err
	}
	fresh, err := e.place("d", filepath.Join(e.dir, "d"))
	if err != nil {
		return err
	}
	founders := fresh.name + "=" + fresh.peerURL()
	for _, m := range []*member{e.members[0], e.members[2]} {
		founders += "," + m.name + "=" + m.peerURL()
	}
	if err := e.await(ctx, "another one is added, as a learner", func(ctx context.Context) (bool, error) {
		_, err := e.root.MemberAddAsLearner(ctx, []string{fresh.peerURL()})
		return err == nil || errors.Is(err, rpctypes.ErrPeerURLExist), err
	}); err != nil {
		return err
	}
	added, err := e.id(ctx, fresh)
	if err != nil {
		return err
	}
	e.server(fresh, founders, "existing")
	e.members[1] = fresh
	if err := fresh.server.Start(ctx); err != nil {
		return err
	}
	e.tell("member %s has joined", fresh.name)
	if err := e.await(ctx, "the new member is a voter", func(ctx context.Context) (bool, error) {
		_, err := e.root.MemberPromote(ctx, added)
		return err == nil || errors.Is(err, rpctypes.ErrMemberNotLearner), err
	}); err != nil {
		return err
	}
	e.root.SetEndpoints(e.endpoints()...)
	e.writer.client.SetEndpoints(e.endpoints()...)
	return errors.Join(e.follow(), e.awaitAlert(ctx, "QuorateMemberDown", false), e.awaitWrites(ctx, 50))
}

// memberMoves has the leader give leadership away, and moves it to other ports, as to another host.
func (e *evening) memberMoves(ctx context.Context) error {
	from, _, err := e.leader(ctx)
	if err != nil {
		return err
	}
	to := e.members[(slices.Index(e.members, from)+1)%len(e.members)]
	target, err := e.id(ctx, to)
	if err != nil {
		return err
	}
	there, err := harness.DialAs("root", rootPassword, e.secrets, from.endpoint())
	if err != nil {
		return err
	}
	_, err = there.MoveLeader(ctx, target)
	if err := errors.Join(err, there.Close()); err != nil {
		return err
	}
	if err := e.await(ctx, "leadership has moved from "+from.name+" to "+to.name, func(ctx context.Context) (bool, error) {
		_, leads, err := e.leader(ctx)
		return leads == target, err
	}); err != nil {
		return err
	}
	id, err := e.id(ctx, from)
	if err != nil {
		return err
	}
	if code, err := from.server.Stop(syscall.SIGTERM); err != nil || code != 0 {
		return fmt.Errorf("the stop of %s: code %d, %w", from.name, code, err)
	}
	from.client, from.peer, from.monitoring = harness.FreePort(), harness.FreePort(), harness.FreePort()
	if err := e.await(ctx, "the member list says where "+from.name+" is from now on", func(ctx context.Context) (bool, error) {
		_, err := e.root.MemberUpdate(ctx, id, []string{from.peerURL()})
		return err == nil, err
	}); err != nil {
		return err
	}
	e.server(from, from.name+"="+from.peerURL(), "existing")
	if err := from.server.Start(ctx); err != nil {
		return err
	}
	e.tell("member %s is at %s now", from.name, from.peerURL())
	e.root.SetEndpoints(e.endpoints()...)
	e.writer.client.SetEndpoints(e.endpoints()...)
	return errors.Join(e.follow(), e.awaitWrites(ctx, 50))
}

// certificatesRotate gives each member another certificate, which it shows without a restart.
func (e *evening) certificatesRotate(ctx context.Context) error {
	for _, m := range e.members {
		before, err := e.shown(m)
		if err != nil {
			return err
		}
		if m.files, err = e.authority.Issue(m.name, "127.0.0.1"); err != nil {
			return err
		}
		if err := e.await(ctx, "member "+m.name+" shows its new certificate", func(context.Context) (bool, error) {
			now, err := e.shown(m)
			return err == nil && now != before, err
		}); err != nil {
			return err
		}
	}
	return e.awaitWrites(ctx, 50)
}

// shown is the serial number of the certificate that a member shows its clients.
func (e *evening) shown(m *member) (string, error) {
	conn, err := tls.Dial("tcp", m.endpoint(), e.secrets)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
}

// snapshotIsRestored takes a snapshot and makes a store of its own of it, which has all that was acknowledged before.
func (e *evening) snapshotIsRestored(ctx context.Context) error {
	known := e.writer.known()
	file := filepath.Join(e.dir, "snapshot.db")
	if err := e.save(ctx, file); err != nil {
		return err
	}
	restored, err := e.place("restored", filepath.Join(e.dir, "restored"))
	if err != nil {
		return err
	}
	founders := restored.name + "=" + restored.peerURL()
	out, err := exec.CommandContext(ctx, filepath.Join(e.tools, "quorateutl"), "snapshot", "restore", file, "--data-dir="+restored.dir,
		"--name="+restored.name, "--initial-cluster="+founders, "--initial-advertise-peer-urls="+restored.peerURL()).CombinedOutput()
	if err != nil {
		return fmt.Errorf("restore: %w: %s", err, out)
	}
	e.server(restored, founders, "new")
	defer restored.server.Kill()
	if err := restored.server.Start(ctx); err != nil {
		return err
	}
	client, err := harness.DialAs("app", appPassword, e.secrets, restored.endpoint())
	if err != nil {
		return err
	}
	defer client.Close()
	if err := missing(ctx, client, known); err != nil {
		return err
	}
	e.tell("a store that was restored has all %d writes that were acknowledged before, and the users", len(known))
	return nil
}

// save takes a snapshot of the leader's.
func (e *evening) save(ctx context.Context, file string) error {
	from, err := e.root.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create(file)
	if err != nil {
		return err
	}
	size, err := io.Copy(to, from)
	e.tell("the snapshot has %d bytes", size)
	return errors.Join(err, to.Close())
}

// upgradeRolls replaces the program of one member after the other, the leader last.
func (e *evening) upgradeRolls(ctx context.Context) error {
	leads, _, err := e.leader(ctx)
	if err != nil {
		return err
	}
	order := slices.DeleteFunc(slices.Clone(e.members), func(m *member) bool { return m == leads })
	for _, m := range append(order, leads) {
		if code, err := m.server.Stop(syscall.SIGTERM); err != nil || code != 0 {
			return fmt.Errorf("the stop of %s: code %d, %w", m.name, code, err)
		}
		m.server.SetBinary(e.other)
		if err := m.server.Start(ctx); err != nil {
			return err
		}
		if err := e.awaitWrites(ctx, 20); err != nil {
			return err
		}
		e.tell("member %s runs the other build", m.name)
	}
	return nil
}

// expected are the alerts that an evening like this brings; possible are others of members that were away, and of what is slow on this machine.
var (
	expected = []string{"QuorateDiskFull", "QuorateMemberDown"}
	possible = append([]string{"QuoratePeersUnreachable", "QuorateMemberWithoutLeader"}, lookingBack...)
)

// judge looks whether what should have fired has, and nothing else, and whether every member has every acknowledged write.
func (e *evening) judge(ctx context.Context) error {
	if err := e.await(ctx, "no alert fires any more, but for those that look minutes back", e.calm); err != nil {
		return err
	}
	e.writer.cancel()
	<-e.writer.ended
	known := e.writer.known()
	for _, m := range e.members {
		client, err := harness.DialAs("app", appPassword, e.secrets, m.endpoint())
		if err != nil {
			return err
		}
		err = missing(ctx, client, known)
		if err := errors.Join(err, client.Close()); err != nil {
			return fmt.Errorf("member %s: %w", m.name, err)
		}
	}
	e.tell("each of %d members has each of %d acknowledged writes", len(e.members), len(known))
	names := e.fired.names()
	e.tell("alerts that have fired: %s", list(names))
	for _, name := range expected {
		if !slices.Contains(names, name) {
			return fmt.Errorf("the alert %s has not fired", name)
		}
	}
	for _, name := range names {
		if !slices.Contains(expected, name) && !slices.Contains(possible, name) {
			return fmt.Errorf("the alert %s has fired, and should not", name)
		}
	}
	return nil
}

// lookingBack are alerts about the last five minutes, or the last quarter of an hour.
var lookingBack = []string{"QuorateSlowDisk", "QuorateSlowWrites", "QuorateErrors", "QuorateLeaderChangesOften"}

// calm tells whether nothing fires but what looks far back.
func (e *evening) calm(ctx context.Context) (bool, error) {
	now, err := e.watcher.Firing(ctx)
	if err != nil {
		return false, err
	}
	for name := range now {
		if !slices.Contains(lookingBack, name) {
			return false, fmt.Errorf("%s fires", name)
		}
	}
	return true, nil
}

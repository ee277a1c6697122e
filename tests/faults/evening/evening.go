package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/faults/chaos/certs"
	"github.com/quoratedb/quorate/tests/faults/chaos/disk"
	"github.com/quoratedb/quorate/tests/faults/monitoring"
	"github.com/quoratedb/quorate/tests/harness"
)

const (
	// diskBytes is the size of the disk that fills, hardMark what must be free of it.
	diskBytes, hardMark = 256 << 20, 64 << 20
	// within bounds how long anything may take to come about: rates of alerts look a minute back.
	within = 2 * time.Minute
	// rootPassword and appPassword are those of the users.
	rootPassword, appPassword = "root's secret", "app's secret"
	// written is what the keys begin with that the user app may write.
	written = "app/"
)

// evening is the cluster and those around it.
type evening struct {
	options
	dir       string
	began     time.Time
	authority *certs.Authority
	secrets   *tls.Config
	disk      *disk.Disk
	members   []*member
	root      *clientv3.Client
	writer    *writer
	watcher   *monitoring.Prometheus
	fired     *fired
}

// member is one of the cluster.
type member struct {
	name, dir                string
	client, peer, monitoring int // ports
	files                    certs.Files
	server                   *harness.Server
}

// say tells what happens, with the time since the beginning.
func (e *evening) say(format string, args ...any) {
	fmt.Printf("%5.1fs  %s\n", time.Since(e.began).Seconds(), fmt.Sprintf(format, args...))
}

// tell says a detail of what happens.
func (e *evening) tell(format string, args ...any) { e.say("  "+format, args...) }

func (m *member) endpoint() string  { return fmt.Sprintf("127.0.0.1:%d", m.client) }
func (m *member) clientURL() string { return "https://" + m.endpoint() }
func (m *member) peerURL() string   { return fmt.Sprintf("https://127.0.0.1:%d", m.peer) }

// place makes a member that does not run, on free ports, with a certificate.
func (e *evening) place(name, dir string) (*member, error) {
	m := &member{name: name, dir: dir, client: harness.FreePort(), peer: harness.FreePort(), monitoring: harness.FreePort()}
	var err error
	m.files, err = e.authority.Issue(name, "127.0.0.1")
	return m, err
}

// server makes the process of a member, by its ports as they are now.
func (e *evening) server(m *member, founders, state string) {
	binary := e.options.server
	if m.server != nil {
		binary = m.server.Binary()
	}
	m.server = harness.New(harness.Config{Binary: binary, DataDir: m.dir, Args: []string{
		"--name=" + m.name, "--initial-cluster=" + founders, "--initial-cluster-state=" + state,
		"--listen-client-urls=" + m.clientURL(), "--advertise-client-urls=" + m.clientURL(),
		"--listen-peer-urls=" + m.peerURL(), "--initial-advertise-peer-urls=" + m.peerURL(),
		fmt.Sprintf("--listen-metrics-urls=http://127.0.0.1:%d", m.monitoring),
		"--cert-file=" + m.files.Cert, "--key-file=" + m.files.Key, "--trusted-ca-file=" + e.authority.CA(), "--client-cert-auth",
		"--peer-cert-file=" + m.files.Cert, "--peer-key-file=" + m.files.Key, "--peer-trusted-ca-file=" + e.authority.CA(), "--peer-client-cert-auth",
		fmt.Sprintf("--disk-hard-mark-bytes=%d", hardMark), "--metrics=extensive",
	}})
}

// begin starts three members, the third on a disk of its own, and makes users.
func (e *evening) begin(ctx context.Context) (err error) {
	if e.authority, err = certs.New(filepath.Join(e.dir, "certificates")); err != nil {
		return err
	}
	if e.secrets, err = e.authority.Client("operator"); err != nil {
		return err
	}
	if e.disk, err = disk.New(filepath.Join(e.dir, "disk"), diskBytes, false); err != nil {
		return fmt.Errorf("a disk of its own, which needs root: %w", err)
	}
	founders := ""
	for i, dir := range []string{filepath.Join(e.dir, "a"), filepath.Join(e.dir, "b"), filepath.Join(e.disk.Path(), "c")} {
		m, err := e.place(string(rune('a'+i)), dir)
		if err != nil {
			return err
		}
		e.members = append(e.members, m)
		founders += m.name + "=" + m.peerURL() + ","
	}
	for _, m := range e.members {
		e.server(m, founders, "new")
		if err := m.server.Launch(); err != nil {
			return err
		}
	}
	for _, m := range e.members {
		if err := m.server.AwaitReady(ctx); err != nil {
			return err
		}
	}
	if err := e.makeUsers(ctx); err != nil {
		return err
	}
	e.root, err = harness.DialAs("root", rootPassword, e.secrets, e.endpoints()...)
	return err
}

// makeUsers makes root, and app, who may write below one prefix.
func (e *evening) makeUsers(ctx context.Context) error {
	first, err := harness.DialTLS(e.secrets, e.endpoints()...)
	if err != nil {
		return err
	}
	defer first.Close()
	for _, do := range []func() error{
		func() error { _, err := first.UserAdd(ctx, "root", rootPassword); return err },
		func() error { _, err := first.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := first.UserAdd(ctx, "app", appPassword); return err },
		func() error { _, err := first.RoleAdd(ctx, "app"); return err },
		func() error {
			_, err := first.RoleGrantPermission(ctx, "app", written, clientv3.GetPrefixRangeEnd(written), clientv3.PermissionType(clientv3.PermReadWrite))
			return err
		},
		func() error { _, err := first.UserGrantRole(ctx, "app", "app"); return err },
		func() error { _, err := first.AuthEnable(ctx); return err },
	} {
		// A machine that is busy may take longer than a request may; what was done in spite of that is there at the next attempt.
		if err := e.await(ctx, "", func(context.Context) (bool, error) {
			err := do()
			for _, there := range []error{rpctypes.ErrUserAlreadyExist, rpctypes.ErrRoleAlreadyExist, rpctypes.ErrUserEmpty} {
				if errors.Is(err, there) {
					err = nil
				}
			}
			return err == nil, err
		}); err != nil {
			return err
		}
	}
	e.tell("root and app are users, and nobody else is let in")
	return nil
}

func (e *evening) endpoints() (all []string) {
	for _, m := range e.members {
		all = append(all, m.endpoint())
	}
	return all
}

// watch starts the writer and Prometheus, with our rules, and waits until it has seen all well.
func (e *evening) watch(ctx context.Context) error {
	own, err := os.ReadFile(filepath.Join(harness.Root(), "deploy", "prometheus", "rules.yml"))
	if err != nil {
		return err
	}
	rules := filepath.Join(e.dir, "rules.yml")
	if err := os.WriteFile(rules, monitoring.Hurried(own), 0o600); err != nil {
		return err
	}
	if e.watcher, err = monitoring.Start(ctx, e.prometheus, e.dir, []string{rules}, "quorate"); err != nil {
		return err
	}
	if err := e.follow(); err != nil {
		return err
	}
	if e.writer, err = begin(e.secrets, e.endpoints()); err != nil {
		return err
	}
	if err := e.await(ctx, "Prometheus sees three members", func(ctx context.Context) (bool, error) {
		up, err := e.watcher.Query(ctx, "up == 1")
		return up == len(e.members), err
	}); err != nil {
		return err
	}
	if err := e.await(ctx, "no alert fires", e.calm); err != nil {
		return err
	}
	e.fired = observe(e.watcher)
	return nil
}

// follow has Prometheus watch the members that there are now.
func (e *evening) follow() error {
	var addresses []string
	for _, m := range e.members {
		addresses = append(addresses, fmt.Sprintf("127.0.0.1:%d", m.monitoring))
	}
	return e.watcher.Watch(addresses...)
}

// await waits until something has come about.
func (e *evening) await(ctx context.Context, what string, is func(context.Context) (bool, error)) error {
	bounded, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var last error
	for {
		asked, done := context.WithTimeout(bounded, 5*time.Second)
		so, err := is(asked)
		done()
		if so {
			if what != "" {
				e.tell("%s", what)
			}
			return nil
		}
		last = err
		select {
		case <-time.After(200 * time.Millisecond):
		case <-bounded.Done():
			return fmt.Errorf("not within %s: %s (%w)", within, what, errors.Join(last, ctx.Err()))
		}
	}
}

// awaitWrites waits until the writer has had so many more writes acknowledged.
func (e *evening) awaitWrites(ctx context.Context, count int) error {
	from := e.writer.acknowledged()
	return e.await(ctx, fmt.Sprintf("%d more writes are acknowledged", count), func(context.Context) (bool, error) {
		return e.writer.acknowledged() >= from+count, e.writer.last()
	})
}

// close ends everybody.
func (e *evening) close() error {
	if e.fired != nil {
		e.fired.stop()
	}
	if e.writer != nil {
		e.writer.stop()
	}
	if e.watcher != nil {
		e.watcher.Stop()
	}
	if e.root != nil {
		_ = e.root.Close()
	}
	for _, m := range e.members {
		if m.server != nil {
			m.server.Kill()
		}
	}
	if e.disk != nil {
		return e.disk.Close()
	}
	return nil
}

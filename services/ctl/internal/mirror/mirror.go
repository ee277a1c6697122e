// Package mirror holds the command that copies keys to another store and keeps the copy current.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/mirror"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/progress"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

const (
	// reportEvery is how often it says how much was copied.
	reportEvery = 30 * time.Second
	// txnOpsMax is how many changes of one revision go into a transaction by default: what servers allow by default.
	txnOpsMax = 128
)

// flags say what is copied, and to where.
type flags struct {
	prefix       string
	revision     int64
	opsMax       uint
	destPrefix   string
	noDestPrefix bool
	revisionMap  string

	cert, key, cacert string
	insecure          bool
	user, password    string
}

// New is the command make-mirror.
func New(s *shell.Shell) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "make-mirror [options] <destination>",
		Short: "Copy keys to another store, and every change from then on",
		RunE:  s.Run(f.run),
	}
	f.register(cmd.Flags())
	shell.MarkOwn(cmd, "revision-map")
	return cmd
}

func (f *flags) register(set *pflag.FlagSet) {
	set.StringVar(&f.prefix, "prefix", "", "copy the keys that begin with this (by default all)")
	set.Int64Var(&f.revision, "rev", 0, "copy only what happens from this revision on (0: everything that is there, and what happens then)")
	set.UintVar(&f.opsMax, "max-txn-ops", txnOpsMax, "changes per transaction at the most: as many as the destination takes")
	set.StringVar(&f.revisionMap, "revision-map", "", "`file` that takes a line for each revision of the source: it, and the revision that it has become at the destination")
	set.StringVar(&f.destPrefix, "dest-prefix", "", "what keys begin with at the destination, in place of the prefix")
	set.BoolVar(&f.noDestPrefix, "no-dest-prefix", false, "leave the prefix out at the destination")
	set.StringVar(&f.cert, "dest-cert", "", "`file` with the certificate that shows the destination who the client is")
	set.StringVar(&f.key, "dest-key", "", "`file` with that certificate's private key")
	set.StringVar(&f.cacert, "dest-cacert", "", "`file` with the authorities whose certificates are trusted of the destination")
	set.BoolVar(&f.insecure, "dest-insecure-transport", true, "speak without TLS to the destination unless its URL or a certificate asks for it")
	set.StringVar(&f.user, "dest-user", "", "`name[:password]` of the user at the destination; the password is asked for if it is not given")
	set.StringVar(&f.password, "dest-password", "", "`password` of the user at the destination; --dest-user is then the name alone")
}

func (f *flags) run(call *shell.Call) error {
	if len(call.Args) != 1 {
		return exit.Withf(exit.Arguments, "make-mirror needs one argument, the endpoint of the destination")
	}
	auth, err := call.Credentials("Destination Password: ", f.user, f.password)
	if err != nil {
		return err
	}
	config, err := call.ConfigOf([]string{call.Args[0]}, &clientv3.SecureConfig{
		Cert: f.cert, Key: f.key, Cacert: f.cacert, InsecureTransport: f.insecure,
	}, auth)
	if err != nil {
		return err
	}
	destination, err := call.Dial(config)
	if err != nil {
		return err
	}
	source, err := call.Connect()
	if err != nil {
		return err
	}
	if f.noDestPrefix && f.destPrefix != "" {
		return exit.Withf(exit.Arguments, "--dest-prefix and --no-dest-prefix exclude each other")
	}
	c := &copier{flags: *f, source: source, destination: destination, stderr: call.Shell.Stderr}
	if f.revisionMap != "" {
		file, err := os.OpenFile(f.revisionMap, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return exit.With(exit.Failure, err)
		}
		defer func() { _ = file.Close() }() // each line has been written
		c.mapped = file
	}
	ctx, cancel := context.WithCancel(source.Ctx())
	reported := make(chan struct{})
	go func() {
		defer close(reported)
		c.report(ctx, call)
	}()
	err = c.run(ctx)
	cancel()
	<-reported
	if err == nil {
		err = errors.New("the watch of the source has ended")
	}
	return exit.With(exit.Failure, err)
}

// copier copies from one store to another.
type copier struct {
	flags
	source, destination *clientv3.Client
	copied              atomic.Int64
	// mapped takes a line for each revision of the source, nil for nowhere.
	mapped io.Writer
	// stderr shows how far the first copy is.
	stderr io.Writer
}

// note writes down what a revision of the source has become at the destination.
func (c *copier) note(source, destination int64) error {
	if c.mapped == nil {
		return nil
	}
	_, err := fmt.Fprintf(c.mapped, "%d %d\n", source, destination)
	return err
}

// report prints from time to time how many keys and changes were copied.
func (c *copier) report(ctx context.Context, call *shell.Call) {
	ticks := time.NewTicker(reportEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			call.Println(c.copied.Load())
		}
	}
}

// run copies what is there, unless a revision was given, and then every change.
func (c *copier) run(ctx context.Context) error {
	from := max(c.revision-1, 0)
	if from == 0 {
		now, err := c.source.Get(ctx, "\x00", clientv3.WithCountOnly())
		if err != nil {
			return err
		}
		from = now.Header.GetRevision()
	}
	syncer := mirror.NewSyncer(c.source, c.prefix, from)
	if c.revision <= 1 {
		// As with etcdctl, with a revision beyond the first the prefix is left out if none is given for the destination.
		if !c.noDestPrefix && c.destPrefix == "" {
			c.destPrefix = c.prefix
		}
		if err := c.copyAll(ctx, syncer, from); err != nil {
			return err
		}
	}
	for changes := range syncer.SyncUpdates(ctx) {
		if changes.CompactRevision != 0 {
			return rpctypes.ErrCompacted
		}
		if err := changes.Err(); err != nil {
			return err
		}
		if err := c.copyChanges(ctx, changes.Events); err != nil {
			return err
		}
	}
	return nil
}

// copyAll copies what is there at a revision.
func (c *copier) copyAll(ctx context.Context, syncer mirror.Syncer, revision int64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	there, err := c.source.Get(ctx, c.prefix, clientv3.WithPrefix(), clientv3.WithCountOnly(), clientv3.WithRev(revision))
	if err != nil {
		return err
	}
	bar := progress.Count(c.stderr, int(there.Count))
	defer bar.Finish()
	pieces, failed := syncer.SyncBase(ctx)
	for piece := range pieces {
		for _, kv := range piece.Kvs {
			if _, err := c.destination.Put(ctx, c.moved(kv.Key), string(kv.Value)); err != nil {
				return err
			}
			c.copied.Add(1)
			bar.Add()
		}
	}
	if err := <-failed; err != nil || c.mapped == nil {
		return err
	}
	now, err := c.destination.Get(ctx, "\x00", clientv3.WithCountOnly())
	if err != nil {
		return err
	}
	return c.note(revision, now.Header.GetRevision())
}

// copyChanges copies the changes of each revision in a transaction, or in as few as the destination takes: a transaction changes no key
// twice, and two revisions may.
func (c *copier) copyChanges(ctx context.Context, events []*clientv3.Event) error {
	var ops []clientv3.Op
	var became int64 // the destination's revision after the newest transaction
	commit := func() error {
		if len(ops) == 0 {
			return nil
		}
		done, err := c.destination.Txn(ctx).Then(ops...).Commit()
		ops = nil
		if err == nil {
			became = done.Header.GetRevision()
		}
		return err
	}
	for i, event := range events {
		next := i > 0 && event.Kv.ModRevision != events[i-1].Kv.ModRevision
		if next || len(ops) == int(c.opsMax) {
			if err := commit(); err != nil {
				return err
			}
			if next {
				if err := c.note(events[i-1].Kv.ModRevision, became); err != nil {
					return err
				}
			}
		}
		switch event.Type {
		case mvccpb.Event_PUT:
			ops = append(ops, clientv3.OpPut(c.moved(event.Kv.Key), string(event.Kv.Value)))
		case mvccpb.Event_DELETE:
			ops = append(ops, clientv3.OpDelete(c.moved(event.Kv.Key)))
		default:
			return fmt.Errorf("the source reports an event of an unknown type, %v", event.Type)
		}
		c.copied.Add(1)
	}
	if err := commit(); err != nil || len(events) == 0 {
		return err
	}
	return c.note(events[len(events)-1].Kv.ModRevision, became)
}

// moved is a key's name at the destination.
func (c *copier) moved(key []byte) string {
	return strings.Replace(string(key), c.prefix, c.destPrefix, 1)
}

package offline

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/datadir"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
	"github.com/quoratedb/quorate/services/consensus/internal/statemachine"
)

// catchUpBytes is about how much of the log is read at a time.
const catchUpBytes = 1 << 20

// catchUp carries out what is in the log and not yet in the state, to the end of the log: an entry that was acknowledged may look uncommitted,
// because a commit index is stored with the entries after it only. Who belongs to the cluster is data.Members then. What members compare with
// each other is not kept: the state is read, and no member's any more.
func catchUp(ctx context.Context, data *datadir.Data) error {
	last, err := data.Log.LastIndex()
	if err != nil {
		return err
	}
	c := &catching{data: data, machine: statemachine.New(data.State.Store)}
	applied, _ := data.State.Applied()
	for next := applied + 1; next <= last && err == nil; {
		var entries []*raftpb.Entry
		if entries, err = data.Log.Entries(next, last+1, catchUpBytes); err == nil {
			next += uint64(len(entries))
			err = c.take(ctx, entries)
		}
	}
	return errors.Join(err, c.close(err == nil))
}

// catching is one call of catchUp.
type catching struct {
	data    *datadir.Data
	machine *statemachine.Machine
	batch   *statemachine.Batch
}

func (c *catching) take(ctx context.Context, entries []*raftpb.Entry) error {
	for _, entry := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if c.batch == nil {
			c.batch = c.machine.Begin()
			c.batch.Answers(false)
		}
		if err := c.apply(entry); err != nil {
			return fmt.Errorf("carry out entry %d of the log: %w", entry.GetIndex(), err)
		}
		c.batch.SetApplied(entry.GetIndex(), entry.GetTerm())
		if c.batch.Full() {
			if err := c.close(true); err != nil {
				return err
			}
		}
	}
	return nil
}

// apply carries out an entry. What is refused has no effect.
func (c *catching) apply(entry *raftpb.Entry) error {
	if entry.GetType() != raftpb.EntryNormal {
		return c.change(entry)
	}
	decoded := &consensusv1.LogEntry{}
	if err := proto.Unmarshal(entry.GetData(), decoded); err != nil {
		return err
	}
	c.batch.SetTime(int64(decoded.GetTime()))
	for _, command := range decoded.GetCommands() {
		if publish := command.GetPublish(); publish != nil {
			if err := c.data.Members.Publish(c.batch, publish); err != nil {
				return err
			}
			continue
		}
		if _, _, err := c.batch.Apply(command); err != nil && !statemachine.Refuses(err) {
			return err
		}
	}
	return nil
}

// change carries out a change of members.
func (c *catching) change(entry *raftpb.Entry) error {
	change, err := replication.DecodeConfChange(entry)
	if err != nil {
		return err
	}
	if err := c.data.Members.Change(change); err != nil {
		if membership.IsChangeError(err) {
			return nil
		}
		return err
	}
	return c.data.Members.Store(c.batch, membership.ConfState(c.data.Members.List()))
}

// close ends a batch, which counts or not.
func (c *catching) close(counts bool) error {
	if c.batch == nil {
		return nil
	}
	batch := c.batch
	c.batch = nil
	var err error
	if counts {
		err = batch.Commit()
	}
	return errors.Join(err, batch.Close())
}

// foundNothing is asked where a log is empty.
func foundNothing() (Founding, error) { return Founding{}, ErrNoData }

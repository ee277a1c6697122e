// Package locks holds the commands that wait for their turn: a named lock, and an election.
package locks

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// Commands are the package's commands.
func Commands(s *shell.Shell) []*cobra.Command {
	return []*cobra.Command{newElect(s), newLock(s)}
}

func newLock(s *shell.Shell) *cobra.Command {
	var ttl int
	cmd := &cobra.Command{
		Use:   "lock <lockname> [exec-command arg1 arg2 ...]",
		Short: "Hold a lock while a command runs, or until the process is interrupted",
		RunE: s.Run(func(call *shell.Call) error {
			if len(call.Args) == 0 {
				return exit.Withf(exit.Arguments, "lock needs a name, and takes the command to run while it is held after it")
			}
			client, err := call.Connect()
			if err != nil {
				return err
			}
			return exit.With(codeOf(hold(call, client, call.Args[0], call.Args[1:], ttl)))
		}),
	}
	cmd.Flags().IntVar(&ttl, "ttl", 10, "`seconds` after which others get the lock if this process is gone")
	return cmd
}

// codeOf is the exit code of an error: that of the command that was run, if it is the command's.
func codeOf(err error) (int, error) {
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		if status, ok := failed.Sys().(syscall.WaitStatus); ok {
			return status.ExitStatus(), err
		}
	}
	return exit.Failure, err
}

// hold gets the lock, runs the command or waits for an interruption, and gives the lock back.
func hold(call *shell.Call, client *clientv3.Client, name string, command []string, ttl int) error {
	session, err := concurrency.NewSession(client, concurrency.WithTTL(ttl))
	if err != nil {
		return err
	}
	lock := concurrency.NewMutex(session, name)
	interrupted, stop := call.Interrupted()
	defer stop()
	if err := lock.Lock(interrupted); err != nil {
		return err
	}
	if len(command) > 0 {
		run := exec.Command(command[0], command[1:]...)
		run.Env = append([]string{"ETCD_LOCK_KEY=" + lock.Key(), fmt.Sprintf("ETCD_LOCK_REV=%d", lock.Header().Revision)}, call.Shell.Environ...)
		run.Stdout, run.Stderr = call.Shell.Stdout, call.Shell.Stderr
		failed := run.Run()
		return errors.Join(failed, lock.Unlock(client.Ctx()))
	}
	if err := printKey(interrupted, call, client, lock.Key()); err != nil {
		return err
	}
	select {
	case <-interrupted.Done():
		return lock.Unlock(client.Ctx())
	case <-session.Done():
		return errors.New("session expired")
	}
}

// printKey prints the key by which the lock is held, or the election won.
func printKey(ctx context.Context, call *shell.Call, client *clientv3.Client, key string) error {
	answer, err := client.Get(ctx, key)
	if err != nil {
		return err
	}
	if len(answer.Kvs) == 0 {
		return errors.New("the session was lost as soon as it was there")
	}
	return call.Print(output.Get(answer, false))
}

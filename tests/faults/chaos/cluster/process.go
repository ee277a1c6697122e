package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
)

// process is one life of a member.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed after its end
	// tolerated is set before its end is brought about.
	tolerated atomic.Bool
}

// launch starts a program on a host, with its output appended to a file. A goroutine waits for its end, then calls gone if nobody
// was to expect it.
func launch(host, output, binary string, args []string, gone func(state string)) (*process, error) {
	file, err := os.OpenFile(output, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	// ip becomes the program, so that the process's id is the member's.
	p := &process{
		cmd:   exec.Command("ip", append([]string{"netns", "exec", host, binary}, args...)...),
		ended: make(chan struct{}),
	}
	p.cmd.Stdout, p.cmd.Stderr = file, file
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s on %s: %w", binary, host, err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
		if !p.tolerated.Load() {
			gone(p.cmd.ProcessState.String())
		}
	}()
	return p, nil
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

func (p *process) signal(signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil && p.running() {
		return err
	}
	return nil
}

package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// insideEnv marks the program's second life.
const insideEnv = "QUORATE_CHAOS_SANDBOX"

// Inside reports whether this process already is in the sandbox.
func Inside() bool { return os.Getenv(insideEnv) != "" }

// Run runs this program with other arguments in a sandbox, waits for its end and returns its exit code. It needs root.
func Run(args ...string) (int, error) {
	if os.Geteuid() != 0 {
		return 1, errors.New("namespaces need root")
	}
	// Pdeathsig follows the thread that starts the process, which therefore must stay.
	runtime.LockOSThread()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET,
		Pdeathsig:  syscall.SIGKILL,
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("start in namespaces: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			_ = cmd.Process.Signal(s)
		case err := <-ended:
			if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
				return 1, err
			}
			if code := cmd.ProcessState.ExitCode(); code >= 0 {
				return code, nil
			}
			return 1, fmt.Errorf("the run ended: %w", err)
		}
	}
}

// Disks is a folder for mounts, which nobody outside sees.
const Disks = "/run/disks"

// Prepare makes the mounts of a process inside the sandbox private, and gives it its own /proc and an empty /run, where ip
// keeps the names of network namespaces.
func Prepare() error {
	// Members take a variable that they do not know for a mistake.
	if err := os.Unsetenv(insideEnv); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := Tmpfs("/run", 16<<20); err != nil {
		return err
	}
	return nil
}

// Tmpfs mounts an empty file system in memory of the given size on an existing folder.
func Tmpfs(path string, bytes int64) error {
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		return fmt.Errorf("mount a file system on %s: %w", path, err)
	}
	return nil
}

// Resize changes the size of a file system that Tmpfs mounted. It cannot become smaller than what it holds.
func Resize(path string, bytes int64) error {
	if err := unix.Mount("tmpfs", path, "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("size=%d", bytes)); err != nil {
		return fmt.Errorf("resize the file system on %s to %d bytes: %w", path, bytes, err)
	}
	return nil
}

// Used returns how many bytes of a file system are taken.
func Used(path string) (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return 0, fmt.Errorf("size of %s: %w", path, err)
	}
	return int64(stat.Blocks-stat.Bfree) * stat.Bsize, nil
}

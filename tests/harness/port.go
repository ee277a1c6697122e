package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// reserved holds the locks on this process's ports: closed, a lock is gone.
var reserved struct {
	sync.Mutex
	ports map[int]*os.File
}

// reserve takes a port for this process by a lock on a file that all test processes know. It tells whether it could; where
// no such file can be had, only this process's own ports are told apart.
func reserve(port int) bool {
	reserved.Lock()
	defer reserved.Unlock()
	if reserved.ports == nil {
		reserved.ports = map[int]*os.File{}
	}
	if _, taken := reserved.ports[port]; taken {
		return false
	}
	dir := filepath.Join(os.TempDir(), "quorate-test-ports")
	_ = os.MkdirAll(dir, 0o777) // opening tells
	file, err := os.OpenFile(filepath.Join(dir, fmt.Sprint(port)), os.O_CREATE|os.O_RDWR, 0o666)
	if err == nil && syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		_ = file.Close()
		return false
	}
	reserved.ports[port] = file
	return true
}

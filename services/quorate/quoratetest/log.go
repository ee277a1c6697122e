package quoratetest

import (
	"strings"
	"sync"
	"testing"
)

// testLog passes lines to a test until it ends: what comes later would make the whole program panic.
type testLog struct {
	mu struct {
		sync.Mutex
		t testing.TB
	}
}

// Write takes a line.
func (l *testLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.t != nil {
		l.mu.t.Log(strings.TrimSuffix(string(line), "\n"))
	}
	return len(line), nil
}

func (l *testLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.t = nil
}

//go:build !linux

package front

import (
	"net"
	"time"
)

// boundUnread does nothing where the system cannot.
func boundUnread(*net.TCPConn, time.Duration) {}

package front

import (
	"net"
	"syscall"
	"time"
)

// tcpUserTimeout is the system's TCP_USER_TIMEOUT, which package syscall does not name.
const tcpUserTimeout = 0x12

// boundUnread has the system end a connection whose other end has left what was sent to it unread for so long. Copying
// inside the kernel knows no deadline for that. Where the system refuses, the connection goes without.
func boundUnread(conn *net.TCPConn, within time.Duration) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(within.Milliseconds()))
	})
}

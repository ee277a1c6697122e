package main

import (
	"fmt"
	"net"
	"os"
)

// notify tells systemd how the service is ("READY=1", "STOPPING=1"), for units of Type=notify. It does nothing where
// nobody asked for it.
func notify(state string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("reach the socket of NOTIFY_SOCKET: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("write to the socket of NOTIFY_SOCKET: %w", err)
	}
	return nil
}

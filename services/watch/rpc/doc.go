// Package rpc is the Connect edge of the watch service: a handler over anything that opens watch sessions, and a
// client that does, each session being one stream. The refusals of package problem cross it. It holds no logic.
package rpc

import "github.com/quoratedb/quorate/pkg/delivery"

// Service opens watch sessions.
type Service interface {
	// Open starts a session without watches. The caller closes it.
	Open() delivery.Session
}

package node

import (
	"time"
)

// A client that is told something is woken for it: twice here, for its queue and for its connection, which is a system call, and as often at
// its end of the wire. That costs ten times what a message to one of its watches does. So after a step that woke many clients for little,
// the node lets a moment go by before the next, and what is written meanwhile comes as one message: each client is woken for it once.
//
// The moment follows from what the last step cost, and from how much is being written. So where few listen there is none, nor where one
// writer waits for what became of each write, and what is written after a quiet time is told at once. There is none either where the messages
// themselves keep everybody busy: commits gather by themselves then.
const (
	// clientPause is for each client that was woken, some twenty times what that takes of a processor here. deliveryTime is about what one
	// delivery takes.
	clientPause  = 250 * time.Microsecond
	deliveryTime = time.Microsecond
	// commitPause is for each commit of the step: where they come so fast that more gather meanwhile, the pause grows with them.
	commitPause = 250 * time.Microsecond
	// pauseMax is the most that an event waits, pauseMin what is not worth a timer.
	pauseMax = 2 * time.Millisecond
	pauseMin = 500 * time.Microsecond
)

// pauseAfter is how long after a step of so many commits the next begins.
func pauseAfter(commits int, deliveries, woken int64) time.Duration {
	pause := time.Duration(woken)*clientPause - time.Duration(deliveries)*deliveryTime
	pause = min(pause, time.Duration(commits)*commitPause, pauseMax)
	if commits < 2 || pause < pauseMin {
		return 0
	}
	return pause
}

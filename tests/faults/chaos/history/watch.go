package history

import "time"

// Seen is one event as a watcher got it.
type Seen struct {
	Event
	// At is when it arrived.
	At time.Duration
	// Response numbers the message that it came in, over all sessions of the watcher.
	Response int
}

// Progress is a store's word that the watcher has got everything up to a revision.
type Progress struct {
	Revision int64
	// Events is how many events had arrived when it came.
	Events int
}

// Watcher is what one watcher of a prefix was shown over all its sessions, each of which went on after the last event of the one before.
type Watcher struct {
	Name     string
	Prefix   string
	From     int64
	Sessions int
	Events   []Seen
	Progress []Progress
	// Errors are ends of sessions that a watcher must not meet.
	Errors []string
	// Reached is the revision up to which it must have been shown everything.
	Reached int64
}

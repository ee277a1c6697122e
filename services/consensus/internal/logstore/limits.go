package logstore

import "github.com/quoratedb/quorate/pkg/budget"

const (
	// TailBytesMax bounds the entries kept in memory behind the end of the log. Raft re-reads each entry once to apply
	// it and once for each follower, soon after it was appended.
	TailBytesMax = budget.LogTail
	// entryOverheadBytes is what an entry costs in the tail beside its payload.
	entryOverheadBytes = 96
	// sizeMarkBytes is how exactly the log knows where its bytes are.
	sizeMarkBytes = 1 << 20
)

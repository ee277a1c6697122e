// Package lease decides which leases live: it takes keep-alives, counts time down and has expired leases revoked. At
// most one lease service does so at a time, the holder of the newest epoch, which the consensus service checks on all
// that is proposed under it.
//
// It stores nothing: what leases exist, what was granted and which keys are attached is replicated state, which it
// asks for through its port Consensus when it takes over. It checks no permission and speaks no wire. DESIGN.md
// beside this file tells the whole story.
package lease

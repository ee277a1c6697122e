// Package logging makes the logger of a process from etcd's logging flags. Its JSON lines carry the keys that etcd's
// do, in their order (level, ts, caller, msg), so that what reads etcd's logs reads ours; people at a terminal get short coloured
// lines. It does not talk to journald, which takes what a unit writes to stderr anyway.
package logging

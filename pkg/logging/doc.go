// Package logging makes the logger of a process from etcd's logging flags. Its JSON lines carry the keys that etcd's
// do (level, ts, caller, msg), so that what reads etcd's logs reads ours. It neither rotates files nor talks to
// journald, which takes what a unit writes to stderr anyway.
package logging

// Package etcdreplay carries out what is in an etcd's log on a state of ours, as that etcd would when it starts: by our own state machine, with
// etcd's rules where they are others than ours (which of two requests is refused must not differ by an alarm, or by how old a caller's
// rights are). Where entries come from is not its affair.
package etcdreplay

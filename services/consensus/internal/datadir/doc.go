// Package datadir is what a member has on its disk: the log's store and the state's, whose they are, how a first start makes
// them, which of several directories holds the state, and how a member becomes the only one of its cluster. Everything here happens
// before the member runs, but for the state of another member, which is put beside its own.
//
// It checks that what it finds belongs together and changes nothing where it does not. It knows of raft what is in the log, and
// nothing of who uses the stores.
package datadir

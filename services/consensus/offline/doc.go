// Package offline is for what is done with the data of a member while no member uses it: founding it from a snapshot, or from the data directory
// of an etcd. It is all that the command-line tools know of this service, whose other packages are internal. It asks nothing and prints nothing,
// and it takes what its caller says for what is wanted: who founds a cluster is worked out by whoever reads flags.
package offline

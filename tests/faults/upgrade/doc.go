// Package upgrade has the members of an older version's cluster replaced by today's program one at a time while clients
// write, watch and keep leases alive, and has a new member join a cluster of the older version.
//
// make upgrade builds the older version out of the history (BASE names its commit) and runs the tests. Otherwise
// QUORATE_OLD_SERVER names its binary; without it nothing is tested.
package upgrade

// Package network builds test hosts as network namespaces: each has an address for clients, on a bridge of veth pairs,
// and one for the other hosts, on a switch that lives in this process.
//
// Packets between hosts pass through that switch, so that it can cut, slow, lose or repeat them, in one direction or
// both, and silently, as a network does. The kernel's own means (netem, filters at the sender) are not on every machine, and a filter tells the
// sender what happened. Packets between clients and hosts do not pass through it: what a cut-off host answers its clients is
// what the tests want to see.
package network

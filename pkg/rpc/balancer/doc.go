// Package balancer makes calls to a service of several nodes: it keeps a stream to every node that its endpoints have at the
// moment (see package resolver and package batching), knows where each says it stands, and makes each call on a node that the
// caller's picker chooses. A picker chooses again whenever the nodes or their standing change.
//
// What is repeated, and what is not: a call that certainly reached nobody is made again, on whatever node the picker chooses
// then, until its context ends. A call that may have taken effect is made again only if the caller says that this does no
// harm; else it fails with errdefs.ErrLeaderChanged, which tells a client that the outcome is open. RetryPolicy has these rules, for
// calls of nodes that are met by their endpoints, and for those of members who know themselves which of them leads (AtLeader).
package balancer

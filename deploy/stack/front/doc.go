// Package front lets clients reach all nodes of a stack by one address: it passes connections on to nodes that are ready, without
// looking into them, and ends those to a node that is no more, so that their clients connect anew. It is for stacks on one machine; elsewhere the
// platform's own load balancer does this.
package front

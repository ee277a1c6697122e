// Package peer carries what the members of a cluster say to each other.
package peer

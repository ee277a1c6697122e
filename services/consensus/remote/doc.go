// Package remote is the replicated store as other processes see it: all members behind a few endpoints, as one service
// with a member's own methods. It knows who leads and follows changes; it holds nothing of the store.
//
// Linearizable reads go to the members in turn, as long as they see a leader: each confirms with the others that it is
// current. Everything else goes to the leader, or while there is none, to any member: what one caller writes, and then
// reads without asking for linearizability, it finds, and what maintenance tells is told of one member.
//
// Reads are repeated on another member when one fails. Changes are repeated only when they certainly reached nobody.
package remote

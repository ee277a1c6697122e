// Package remote is the replicated store as other processes see it: all members behind a few endpoints, as one service
// with a member's own methods. It knows who leads and follows changes; it holds nothing of the store.
// What members say of their leader counts by term: a leader that is frozen goes on standing as one, but another member's word
// of a later term overrules it at once.
//
// Linearizable reads go to the members in turn, as long as they see a leader: each confirms with the others that it is
// current. Everything else goes to the leader, or while there is none, to any member, so that what maintenance tells is
// told of one member. A serializable read says which revision this client has shown already, and the member waits until it
// has applied that: time does not go back behind what was written or read through the same client.
//
// Reads are repeated on another member when one fails. Changes are repeated only when they certainly reached nobody.
package remote

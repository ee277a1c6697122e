// Package outbound writes messages to other members: for each a queue, and a stream that is kept to it. It makes no messages,
// takes none, and decides nothing about who is a member.
package outbound

// Package wire has the formats of what members say to each other: the frames of a stream, the greeting and the refusal of a
// request, and the URLs at which members are reached. It keeps no state, makes no connection and decides nothing about
// who is a member.
package wire

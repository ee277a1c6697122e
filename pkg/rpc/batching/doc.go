// Package batching carries many calls over one long-lived stream between two nodes: a message between processes costs the same
// CPU whether it holds one call or a hundred, so that calls which are made while a message is being sent travel together
// in the next one. Answers are matched by id and come in any order; each call has its own deadline and its own end.
//
//	Call ─► waits for a place in the window ─► queue ─► sender: one message of all that waits ═══► Serve: a worker a call
//	Call ◄─ answer by id ◄─────────────────────── receiver ◄═══ one message of all that is done ◄─ sender ◄┘
//
// Back-pressure: so many calls of a kind may be without an answer on a stream; whoever makes one more waits for a place. Calls
// that are given up before they are sent leave nothing behind. The service refuses what is above servedMax, one by one, and
// reads no more calls while its answers are not taken. Large answers travel in parts, between which others do. A stream
// that breaks fails what was on it: ErrUnsent for calls that certainly reached nobody, ErrLost for those that may have.
// It repeats nothing by itself, knows no service, and opens no connection.
package batching

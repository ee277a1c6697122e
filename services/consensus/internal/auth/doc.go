// Package auth says who may do what: it holds users, roles and permissions as the log makes them, and compares what a request
// needs with what its caller may. It knows etcd's rules, and no wire, log or disk; what it decides depends on nothing else than
// what it is given, so that every member decides alike.
//
//	State        users, roles, whether they count: never changed, replaced by each change
//	Change       what a command makes of a State, one function for each
//	Needs        what a command or a read needs, over the ranges as its sender wrote them
//	State.Check  whether a caller may
//	Tokens       what a caller shows instead of a password
//	Passwords    what costs so much time that it is bounded in number
package auth

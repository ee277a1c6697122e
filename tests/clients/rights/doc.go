// Package rights tests who may do what to a store whose users are asked who they are: every method, on every wire, by callers with
// different permissions, and the holes by name that stores of this kind had. What to expect comes from a model of its own, by keys
// and not by ranges.
package rights

// Package prefixquota holds quotas by prefix: how many keys, and bytes of keys and values, are in use below prefixes, and which
// changes would lead beyond a limit. It is state and functions; it does not read keys, propose commands, or log.
//
// A quota of a prefix that holds keys already begins with a count. The command that sets it notes the revision, and from that on every
// change below the prefix is added to what is in use, which is a difference until somebody has counted and the sum, as of that
// revision, has come as a command too. Sum and difference together are what is in use then. So it does not matter when the sum
// comes, and who counted: nothing is lost and nothing counted twice.
//
//	command, log order           revision   in use
//	set /a/                      10         counting, +0
//	put /a/x (new, 7 bytes)      11         counting, +1 key, +7 bytes
//	sum /a/ at 10: 2 keys, 9     11         3 keys, 16 bytes
package prefixquota

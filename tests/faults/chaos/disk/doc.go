// Package disk makes disks for test hosts: small file systems in memory that can be filled up, slowed down and stalled.
//
// What a process writes passes through this program (FUSE), which may hold it back: neither does every kernel have a device that does so, nor
// would a frozen file system let go of a process that is killed, or of one whose runner is.
package disk

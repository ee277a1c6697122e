// Package ctl holds quoratectl beside etcdctl: the same command lines, one after the other, each tool on a fresh server of its own, and what
// they print and end with is compared. How each answer looks in each format is compared in services/ctl, without processes.
// The words that etcdctl has not are tried on a server each.
package ctl

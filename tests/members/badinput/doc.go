// Package badinput gives a member what it must refuse: wrong flags, directories and files that it cannot use, and garbage on its
// port. Each refusal must say what is wrong and where, with the right exit code, and must leave everything as it was. Malformed
// requests of a well-formed protocol are in package clientv3.
package badinput

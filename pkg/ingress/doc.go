// Package ingress serves HTTP under the rules that hold at every listener of a process, whoever comes in: how long a
// handshake, a head and a body may take, how many connections there may be, and that a stop has an end whatever a
// connection does. It knows no path, and none of the calls that it carries.
package ingress

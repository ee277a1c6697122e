// Package console is the page at /console/ and the small service behind it: what people want to see and change of the store in a browser, and
// etcd's API does not tell. It has no right of its own: what it reads and writes it asks of etcd's methods for its caller. It does not know
// how the store keeps anything, nor who may do what.
package console

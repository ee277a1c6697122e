// Package embed runs stores inside a program that also holds etcd's client, as another project's tests would: both bring etcd's messages, and
// Go's protobuf registry panics when two packages bring the same name.
package embed

// Package metrics has tests of what members measure, beside what etcd's do.
package metrics

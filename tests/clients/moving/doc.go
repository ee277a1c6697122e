// Package moving moves stores between Quorate and etcd by snapshots, with quorateutl and etcdutl.
package moving

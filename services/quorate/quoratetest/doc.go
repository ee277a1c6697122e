// Package quoratetest runs stores inside other programs' tests:
//
//	func TestMine(t *testing.T) {
//		store := quoratetest.New(t)
//		client, err := clientv3.New(clientv3.Config{Endpoints: store.Endpoints()})
//		...
//
// Each store has free ports on the loopback interface, its data below t.TempDir(), and logs to t.Log what is a warning or worse. It has stopped when the
// test has ended. Any number may run at the same time, in one test, in parallel ones or in several programs. It has no client: every client of
// etcd's will do.
package quoratetest

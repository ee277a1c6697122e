// Package live tells a page of what it has subscribed to as it comes: watches, points of series, leases and the cluster, in one stream.
//
//	watcher, one a watch ─┐
//	series                ├─► news ─► sender, which is the stream's handler ─► page
//	leases                │
//	cluster              ─┘
//
// news has no room: whoever has something waits for the page. A watch whose events come faster than anybody reads is not held open: some
// events are shown every second, and what was passed over is told.
package live

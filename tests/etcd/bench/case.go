package main

import "slices"

// benchCase is one line of the table.
type benchCase struct {
	name, title string
	// unit is what value counts, the higher the better unless lowerIsBetter.
	unit          string
	lowerIsBetter bool
	// long cases run only when they are named.
	long bool
	// members is how many members the cluster has, 0 for one.
	members int
	// clustered cases also run with three members, their clients spread over all of them.
	clustered bool
	args      []string
	// run loads a fresh server and measures it.
	run func(*trial) error
	// before, if there is one, is what the first column runs in place of etcd, and both run on our binary: etcd cannot do it.
	before func(*trial) error
}

// unlimited lifts the limit on size that etcd has by default.
var unlimited = []string{"--quota-backend-bytes=17179869184"}

var cases = slices.Concat(alone, three(alone), apartCases, memoryCases, authCases, overloadCases, three(overloadCases))

var alone = []benchCase{
	{name: "put-1", clustered: true, title: "put, 1 client", unit: "put/s", run: putWith(1, 1, 3_000)},
	{name: "put-100", clustered: true, title: "put, 100 clients", unit: "put/s", run: putWith(100, 100, 60_000)},
	{name: "put-1000", clustered: true, title: "put, 1000 clients on 100 connections", unit: "put/s", run: putWith(1000, 100, 100_000)},
	{name: "range-linearizable", clustered: true, title: "linearizable range of one key, 1000 clients", unit: "range/s", run: rangeOne("l")},
	{name: "range-serializable", clustered: true, title: "serializable range of one key, 1000 clients", unit: "range/s", run: rangeOne("s")},
	{name: "range-many", title: "range of 1,000 keys of 1 KB, 16 clients", unit: "range/s", run: rangeMany},
	{name: "list", title: "list of 100,000 keys of 1 KB in pages of 500 with counts, 4 clients", unit: "keys/s", run: list},
	{name: "txn", clustered: true, title: "txn: compare mod revision, put or get, 100 clients", unit: "txn/s", run: transact},
	{name: "watch", clustered: true, title: "1,000 watchers of 100 ranges; p99 from put to event", unit: "events/s", run: watch(100, 10_000)},
	{name: "watch-none", title: "the puts of the case above and nobody watches, as if each were ten events", unit: "events/s", run: watchNone},
	{name: "watch-one", title: "1,000 watchers of one range; p99 from put to event", unit: "events/s", run: watch(1, 1_000)},
	{name: "watch-lone", title: "put and its events on ten streams, one client; p99 from put to event", unit: "put/s", run: watchLone},
	{name: "keepalive", clustered: true, title: "lease keep-alive, 100 clients", unit: "keep-alive/s", run: keepAlive},
	{name: "grant", clustered: true, title: "lease grant, 100 clients", unit: "grant/s", run: grant},
	{name: "expire", title: "100,000 leases with a key each that expire at once", unit: "lease/s", args: unlimited, run: expire},
	{name: "compact", title: "put during compaction of 200,000 revisions, 100 clients", unit: "put/s", args: unlimited, run: compact},
	{name: "disk", title: "disk space of 50,000 keys of 1 KB after 20 versions of each and a compaction", unit: "MB", lowerIsBetter: true, args: unlimited, run: disk},
	{name: "v2-put", title: "v2 put (first column: v3), 100 clients", unit: "put/s", before: v3Puts, run: v2Puts},
	{name: "v2-get", title: "v2 linearizable get (first column: v3), 100 clients", unit: "get/s", before: v3Gets, run: v2Gets},
	{name: "v2-poll", title: "1,000 waiting long polls (first column: v3 watches) woken by one put", unit: "events/s", before: v3WakesAll, run: v2WakesAll},
	{name: "million-load", title: "load 1,000,000 keys of 1 KB, 100 a transaction", unit: "put/s", long: true, args: unlimited, run: million(false)},
	{name: "million-restart", title: "start with 1,000,000 keys of 1 KB until it serves", unit: "s", lowerIsBetter: true, long: true, args: unlimited, run: million(true)},
}

// three returns the cases that also run with three members.
func three(alone []benchCase) []benchCase {
	var cases []benchCase
	for _, c := range alone {
		if c.clustered {
			c.name, c.title, c.members = "three-"+c.name, "three members: "+c.title, 3
			cases = append(cases, c)
		}
	}
	return cases
}

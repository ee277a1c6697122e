// Package quorate runs a whole store in one process: consensus, leases, watches and the API, wired to each other by
// direct calls. Tests of other programs take a store from its package quoratetest. Programs that keep their own state in one embed it:
//
//	config := quorate.DefaultConfig()
//	config.DataDir = dir
//	config.ListenClientURLs = []string{"http://127.0.0.1:0"}
//	config.ListenPeerURLs = []string{"http://127.0.0.1:0"}
//	server, err := quorate.Start(ctx, config)
//	...
//	defer server.Close()
//	client, err := clientv3.New(clientv3.Config{Endpoints: server.ClientURLs()})
//
// Port 0 takes a free one, so that any number may run beside each other.
//
// It has no logic of its own: it checks the configuration, opens listeners, starts and stops. Flags, variables and
// files are the business of its package commandline.
package quorate

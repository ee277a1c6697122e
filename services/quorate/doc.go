// Package quorate runs a whole store in one process: consensus, leases, watches and the API, wired to each other by
// direct calls. Programs embed it where they need a store to test against or to keep their own state in:
//
//	config := quorate.DefaultConfig()
//	config.DataDir = t.TempDir()
//	config.ListenClientURLs = []string{"http://127.0.0.1:0"}
//	server, err := quorate.Start(ctx, config)
//	...
//	defer server.Close()
//	client, err := clientv3.New(clientv3.Config{Endpoints: server.ClientURLs()})
//
// It has no logic of its own: it checks the configuration, opens listeners, starts and stops. Flags, variables and
// files are the business of its package commandline.
package quorate

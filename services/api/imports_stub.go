package api

import (
	_ "connectrpc.com/connect"
	_ "github.com/prometheus/client_golang/prometheus"
	_ "github.com/quoratedb/quorate/pkg/problem"
	_ "github.com/stretchr/testify/require"
	_ "go.etcd.io/etcd/api/v3/etcdserverpb"
	_ "google.golang.org/grpc"
)

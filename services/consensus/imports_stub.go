package consensus

import (
	_ "github.com/cockroachdb/pebble/v2"
	_ "github.com/cockroachdb/pebble/v2/cockroachkvs"
	_ "github.com/prometheus/client_golang/prometheus"
	_ "github.com/quoratedb/quorate/pkg/problem"
	_ "github.com/stretchr/testify/require"
	_ "go.etcd.io/bbolt"
	_ "go.etcd.io/raft/v3"
)

package tests

import (
	_ "github.com/anishathalye/porcupine"
	_ "go.etcd.io/etcd/client/v3"
	_ "go.etcd.io/etcd/tests/v3/framework/e2e"
	_ "go.etcd.io/etcd/tests/v3/framework/integration"
	_ "go.etcd.io/etcd/tests/v3/robustness/report"
	_ "github.com/quoratedb/quorate/services/quorate"
	_ "github.com/stretchr/testify/require"
)

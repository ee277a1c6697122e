package watch

import (
	_ "github.com/nats-io/nats-server/v2/server"
	_ "github.com/nats-io/nats.go"
	_ "github.com/prometheus/client_golang/prometheus"
	_ "github.com/quoratedb/quorate/pkg/problem"
	_ "github.com/stretchr/testify/require"
)

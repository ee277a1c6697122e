package lease

import (
	_ "github.com/prometheus/client_golang/prometheus"
	_ "github.com/quoratedb/quorate/pkg/problem"
	_ "github.com/stretchr/testify/require"
)

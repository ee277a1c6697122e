package quorate

import (
	_ "github.com/quoratedb/quorate/services/api"
	_ "github.com/quoratedb/quorate/services/consensus"
	_ "github.com/quoratedb/quorate/services/lease"
	_ "github.com/quoratedb/quorate/services/watch"
)

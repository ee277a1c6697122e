package quorate

import (
	"github.com/quoratedb/quorate/services/quorate/config"
	"github.com/quoratedb/quorate/services/quorate/internal/member"
)

// Config is everything that can be set. Start from DefaultConfig: the zero value is not valid.
type Config = config.Config

// DefaultConfig is what runs without a flag: one member that serves clients on localhost:2379.
func DefaultConfig() Config { return config.Default() }

// ClusterNew and ClusterExisting are the values of Config.InitialClusterState.
const (
	ClusterNew      = config.ClusterNew
	ClusterExisting = config.ClusterExisting
)

// ErrEtcdData is returned by Start when the data directory holds the data of etcd.
var ErrEtcdData = config.ErrEtcdData

// ErrBootstrapped is returned by Start when the other members know this one as started, but its data directory is empty.
var ErrBootstrapped = member.ErrBootstrapped

package api

import (
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/internal/ratelimit"
)

// users is what knows for whom requests are made, when that changes, and how many they may make.
type users struct {
	follower *auth.Follower
	identify *auth.Authenticator
	names    *auth.Names
	rates    *ratelimit.Limiter // nil where nothing is limited
}

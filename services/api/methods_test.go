package api

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/console"
)

// Goal: no method is served without an entry in the table of what methods need, and none is in the table that is not served. Method: list
// every method of every service that the gRPC server has, which are those of all other wires too but
// for the console's.
func TestEveryMethodSaysWhatItNeeds(t *testing.T) {
	s, err := newServer(fakeConfig().withDefaults(), nobody(), behindPorts(fakeConfig()), fakeServices())
	require.NoError(t, err)
	server := s.newGRPC()
	t.Cleanup(server.Stop)
	var served []string
	for service, info := range server.GetServiceInfo() {
		for _, method := range info.Methods {
			served = append(served, "/"+service+"/"+method.Name)
		}
	}
	service, info := console.Methods()
	for _, method := range info.Methods {
		served = append(served, "/"+service+"/"+method.Name)
	}
	require.ElementsMatch(t, served, auth.Methods())
}

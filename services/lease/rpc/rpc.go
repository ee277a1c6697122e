// Package rpc is the Connect edge of the lease service: a handler over anything with its methods, and a client that
// has the same methods. The refusals of package problem cross it. It holds no logic.
package rpc

import (
	"net/http"

	"connectrpc.com/connect"

	"github.com/quoratedb/quorate/pkg/edge"
	"github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1/leasev1connect"
)

// Service is what the handler serves and the client is: *lease.Service has these methods.
type Service = leasev1connect.LeaseServiceHandler

// NewHandler makes the handler, and names the path below which it belongs.
func NewHandler(s Service) (path string, handler http.Handler) {
	return leasev1connect.NewLeaseServiceHandler(s, edge.HandlerOptions()...)
}

// NewClient makes a client of the lease service at a URL. It dials nothing.
func NewClient(c connect.HTTPClient, url string) Service {
	return leasev1connect.NewLeaseServiceClient(c, url, edge.ClientOptions()...)
}

// Package etcderr is the one place where a refusal becomes what an etcd client sees: a gRPC code and a text, both
// etcd's to the letter, because clients match on them. It decides nothing about when something is refused.
package etcderr

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/pkg/errdefs"
)

// From returns the gRPC status error that a client is to get for err, nil for nil. Errors are recognised through any
// number of wraps. One that is a gRPC status already, such as a failed validation, stays as it is. One that nobody
// foresaw is logged and becomes codes.Unknown with its own text, as in etcd.
func From(logger *slog.Logger, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, errdefs.ErrQuotaExceeded) {
		// Which prefix, which limit and how much is in use is in the error's own text alone, behind that of its wraps.
		_, facts, _ := strings.Cut(err.Error(), errdefs.ErrQuotaExceeded.Error())
		return status.Error(codes.ResourceExhausted, "quorate: "+errdefs.ErrQuotaExceeded.Error()+facts)
	}
	for i := range table {
		if errors.Is(err, table[i].refusal) {
			return table[i].answer
		}
	}
	// The client left, or its own deadline passed: it will not read the answer, but interceptors and metrics will.
	if errors.Is(err, context.Canceled) {
		return status.FromContextError(context.Canceled).Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return status.FromContextError(context.DeadlineExceeded).Err()
	}
	// Not status.FromError, which would put the texts of the wraps in front of the one that the client knows.
	if s, ok := errors.AsType[interface {
		error
		GRPCStatus() *status.Status
	}](err); ok {
		return s.GRPCStatus().Err()
	}
	logger.Error("request failed for an unforeseen reason", "error", err)
	return status.Error(codes.Unknown, err.Error())
}

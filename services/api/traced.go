package api

import (
	"fmt"
	"net/http"
	"slices"

	"go.opentelemetry.io/otel/attribute"

	"github.com/quoratedb/quorate/pkg/tracing"
)

// traced makes spans of v2's requests, but for those that wait, by the names of OpenTelemetry's conventions.
func traced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !tracing.On() || !slices.Contains(countedMethods, r.Method) || waits(r) {
			next.ServeHTTP(w, r)
			return
		}
		ctx, span := tracing.Serve(r.Context(), r.Method+" /v2", r.Header.Get, attribute.String("http.request.method", r.Method))
		answer := &codeWriter{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(answer, r.WithContext(ctx))
		span.SetAttributes(attribute.Int("http.response.status_code", answer.code))
		var failure error
		if answer.code >= http.StatusInternalServerError {
			failure = fmt.Errorf("%d %s", answer.code, http.StatusText(answer.code))
		}
		tracing.End(span, failure)
	})
}

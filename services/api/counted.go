package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// countedMethods are told apart: clients may send any word.
var countedMethods = []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete}

// counted counts v2's requests, by the names that etcd had while it had v2.
func counted(registerer prometheus.Registerer, next http.Handler) http.Handler {
	if registerer == nil {
		return next
	}
	received := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "etcd_http_received_total",
		Help: "Counter of v2 requests received, by method.",
	}, []string{"method"})
	failed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "etcd_http_failed_total",
		Help: "Counter of v2 requests that failed, by method and code.",
	}, []string{"method", "code"})
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "etcd_http_successful_duration_seconds",
		Help:    "Bucketed histogram of the processing time (s) of v2 requests that succeeded and did not wait, by method.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2, 13), // from 0.5 ms to 2 s
	}, []string{"method"})
	registerer.MustRegister(received, failed, took)
	// Those of a method are looked up with its first request only.
	type ofMethod struct {
		method   string
		received func() prometheus.Counter
		took     func() prometheus.Observer
	}
	methods := make([]ofMethod, 0, len(countedMethods)+1)
	for _, method := range append(slices.Clone(countedMethods), "other") {
		methods = append(methods, ofMethod{
			method:   method,
			received: sync.OnceValue(func() prometheus.Counter { return received.WithLabelValues(method) }),
			took:     sync.OnceValue(func() prometheus.Observer { return took.WithLabelValues(method) }),
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		of := &methods[len(countedMethods)]
		if at := slices.Index(countedMethods, r.Method); at >= 0 {
			of = &methods[at]
		}
		of.received().Inc()
		answer := &codeWriter{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(answer, r)
		switch {
		case answer.code >= http.StatusBadRequest:
			failed.WithLabelValues(of.method, strconv.Itoa(answer.code)).Inc()
		case !waits(r):
			of.took().Observe(time.Since(begun).Seconds())
		}
	})
}

// waits tells a request that waits for an event.
func waits(r *http.Request) bool {
	query := r.URL.RawQuery
	return (strings.Contains(query, "wait") || strings.Contains(query, "%")) && r.URL.Query().Get("wait") == "true"
}

// codeWriter remembers the code of an answer.
type codeWriter struct {
	http.ResponseWriter
	code int
}

func (w *codeWriter) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

// Unwrap is for http.ResponseController.
func (w *codeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

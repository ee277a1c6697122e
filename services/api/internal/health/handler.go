package health

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Handler answers health questions.
type Handler struct {
	checks
	metrics *metrics
}

// New returns a handler that says that the server is starting until it is told of a store, which is in this process or elsewhere. The
// metrics are registered unless registerer is nil.
func New(elsewhere bool, logger *slog.Logger, registerer prometheus.Registerer) *Handler {
	h := &Handler{checks: checks{&later{}, logger, elsewhere}, metrics: newMetrics()}
	if registerer != nil {
		h.metrics.register(registerer)
	}
	return h
}

// Open has the checks ask a store from now on.
func (h *Handler) Open(store Store) { h.store.open(store) }

// Register adds the paths to mux.
func (h *Handler) Register(mux *http.ServeMux) {
	mux.HandleFunc("/health", getOnly(h.health))
	for kind, checks := range map[string][]check{"livez": h.live(), "readyz": h.ready()} {
		mux.HandleFunc("/"+kind, getOnly(h.probe(kind, func(r *http.Request) []check { return without(checks, queried(r, "exclude")) })))
		for _, only := range checks {
			mux.HandleFunc("/"+kind+"/"+only.name, getOnly(h.probe(kind, func(*http.Request) []check { return []check{only} })))
		}
	}
}

// getOnly refuses every other method, HEAD too, as etcd does.
func getOnly(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.Header().Set("Allow", http.MethodGet)
			http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
			return
		}
		next(w, r)
	}
}

// health is the oldest question: one JSON object with an answer as text.
func (h *Handler) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := h.bounded(r.Context())
	defer cancel()
	reason := h.overall(ctx, queried(r, "exclude"), r.URL.Query().Get("serializable") == "true")
	h.metrics.overall(reason == "")
	answer := struct {
		Health string `json:"health"`
		Reason string `json:"reason"`
	}{Health: "true"}
	if reason != "" {
		answer.Health, answer.Reason = "false", reason
	}
	body, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if reason != "" {
		h.logger.Warn("not healthy", "path", r.URL.Path, "reason", reason)
		http.Error(w, string(body), http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write(body)
}

// without keeps silent about names in excluded that are no check's: they may be another version's.
func without(checks []check, excluded map[string]bool) []check {
	return slices.DeleteFunc(slices.Clone(checks), func(c check) bool { return excluded[c.name] })
}

// probe answers for the checks that pick picks: why not, in lines, or ok.
func (h *Handler) probe(kind string, pick func(*http.Request) []check) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := h.bounded(r.Context())
		defer cancel()
		lines, ok := report(ctx, pick(r), func(name string, ok bool) { h.metrics.probe(kind, name, ok) })
		if !ok {
			h.logger.Error("health check failed", "path", r.URL.Path, "reason", lines)
			http.Error(w, lines, http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if _, verbose := r.URL.Query()["verbose"]; verbose {
			fmt.Fprint(w, lines)
		}
		fmt.Fprint(w, "ok\n")
	}
}

// queried returns the values of a query parameter that may be given more than once.
func queried(r *http.Request, name string) map[string]bool {
	values := make(map[string]bool)
	for _, value := range r.URL.Query()[name] {
		values[value] = true
	}
	return values
}

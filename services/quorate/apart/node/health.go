package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// checkTimeout bounds all checks of one probe together: those who probe wait for a second by default, and get an answer
// also when others give none.
const checkTimeout = 900 * time.Millisecond

var errStarting = errors.New("is starting or stopping")

// probe runs the checks and describes each in a line.
func (n *Node) probe(ctx context.Context) (lines string, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	started := check{"started", func(context.Context) error {
		if !n.ready.Load() {
			return errStarting
		}
		return nil
	}}
	var b strings.Builder
	var problems []error
	checks := []check{started}
	if n.ready.Load() { // before that they are still being added
		checks = append(checks, n.checks...)
	}
	for _, c := range checks {
		if err := c.run(ctx); err != nil {
			fmt.Fprintf(&b, "[-]%s failed: %v\n", c.name, err)
			problems = append(problems, fmt.Errorf("%s: %w", c.name, err))
			continue
		}
		fmt.Fprintf(&b, "[+]%s ok\n", c.name)
	}
	return b.String(), errors.Join(problems...)
}

// readyz answers whether the node should be used, in etcd's form.
func (n *Node) readyz(w http.ResponseWriter, r *http.Request) {
	lines, err := n.probe(r.Context())
	if err != nil {
		http.Error(w, lines, http.StatusServiceUnavailable)
		return
	}
	if _, verbose := r.URL.Query()["verbose"]; verbose {
		_, _ = io.WriteString(w, lines)
	}
	_, _ = io.WriteString(w, "ok\n")
}

// health answers the same in the form of etcd's oldest question.
func (n *Node) health(w http.ResponseWriter, r *http.Request) {
	answer := struct {
		Health string `json:"health"`
		Reason string `json:"reason"`
	}{Health: "true"}
	_, wrong := n.probe(r.Context())
	if wrong != nil {
		answer.Health, answer.Reason = "false", wrong.Error()
	}
	body, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if wrong != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(body)
}

package wire

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// RefusalReason says why a member does not talk to another.
type RefusalReason string

// What a member may be refused for. They are part of the protocol.
const (
	RefusedCluster RefusalReason = "other-cluster"
	RefusedMember  RefusalReason = "other-member"
	RefusedRemoved RefusalReason = "removed"
	// RefusedStranger is of one that the refusing member does not know as a member. It may pass: news of members take time.
	RefusedStranger RefusalReason = "no-member"
	RefusedProtocol RefusalReason = "protocol"
	// RefusedBootstrapped is of a member that was known with other data, which it must have lost.
	RefusedBootstrapped RefusalReason = "already-bootstrapped"
	RefusedRequest      RefusalReason = "bad-request"
	RefusedSnapshot     RefusalReason = "no-such-snapshot"
	RefusedNotNow       RefusalReason = "not-now"
)

// Refusal is the error of a request that the other side understood and refused.
type Refusal struct {
	Reason RefusalReason
	Text   string
}

func (r *Refusal) Error() string { return fmt.Sprintf("refused (%s): %s", r.Reason, r.Text) }

// status is the HTTP status that a refusal has; those of removal and of a foreign cluster are etcd's.
func (r *Refusal) status() int {
	switch r.Reason {
	case RefusedCluster, RefusedProtocol:
		return http.StatusPreconditionFailed
	case RefusedRemoved:
		return http.StatusGone
	case RefusedBootstrapped:
		return http.StatusConflict
	case RefusedMember:
		return http.StatusMisdirectedRequest
	case RefusedSnapshot:
		return http.StatusNotFound
	case RefusedRequest:
		return http.StatusBadRequest
	default: // it may pass: a member that was just added is to come again
		return http.StatusServiceUnavailable
	}
}

// Write answers a request with the refusal.
func (r *Refusal) Write(w http.ResponseWriter) {
	Unread(w)
	w.Header().Set(HeaderRefusal, string(r.Reason))
	http.Error(w, r.Text, r.status())
}

// Refuse is the refusal for a reason, with a text for people.
func Refuse(reason RefusalReason, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Text: fmt.Sprintf(format, args...)}
}

// RefusalOf returns nil for an answer that is none.
func RefusalOf(response *http.Response) error {
	if response.StatusCode/100 == 2 {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, refusalBytesMax))
	if err != nil {
		return fmt.Errorf("%s, and then: %w", response.Status, err)
	}
	reason := RefusalReason(response.Header.Get(HeaderRefusal))
	if reason == "" {
		return fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(text)))
	}
	return &Refusal{Reason: reason, Text: strings.TrimSpace(string(text))}
}

// Unread has what is left of a request's body come soon or never. It is for those that are answered without it.
func Unread(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(refusedBodyTimeout)) // of a connection that broke, it fails
}

// WriteJSON answers with value.
func WriteJSON(w http.ResponseWriter, value any) {
	encoded, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(encoded, '\n')) // whoever asked has gone
}

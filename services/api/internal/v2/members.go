package v2

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/peerurls"
)

// memberBytesMax bounds the body of a change of members.
const memberBytesMax = 64 << 10

// member is a member as clients see it.
type member struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"`
}

func fromMember(m *consensusv1.Member) *member {
	made := &member{
		ID: formatID(m.GetId()), Name: m.GetName(), PeerURLs: slices.Clone(m.GetPeerUrls()), ClientURLs: slices.Clone(m.GetClientUrls()),
	}
	if made.PeerURLs == nil {
		made.PeerURLs = []string{}
	}
	if made.ClientURLs == nil {
		made.ClientURLs = []string{}
	}
	return made
}

func formatID(id uint64) string { return strconv.FormatUint(id, 16) }

// messageError is an error of anything but keys, as it is sent.
type messageError struct {
	status  int
	Message string `json:"message"`
}

func (f *messageError) Error() string { return f.Message }

func newMessageError(status int, format string, values ...any) error {
	return &messageError{status, fmt.Sprintf(format, values...)}
}

// members serves /v2/members and everything below.
func (s *Server) members(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete) {
		return
	}
	ctx, cancel := s.bound(r)
	defer cancel()
	if r.Method != http.MethodGet {
		if err := s.needsRoot(ctx, r); err != nil {
			s.writeRefusal(ctx, w, r, err)
			return
		}
	}
	s.setCluster(ctx, w)
	id := strings.Trim(strings.TrimPrefix(r.URL.Path, "/v2/members"), "/")
	status, answer, err := s.member(ctx, r, id)
	if errors.Is(err, errNoID) {
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	if err != nil {
		s.writeRefusal(ctx, w, r, err)
		return
	}
	if answer == nil {
		w.WriteHeader(status)
		return
	}
	writeJSON(w, status, answer)
}

// member carries a request out.
func (s *Server) member(ctx context.Context, r *http.Request, id string) (status int, answer any, err error) {
	switch r.Method {
	case http.MethodGet:
		answer, err = s.listMembers(ctx, id)
		return http.StatusOK, answer, err
	case http.MethodPost:
		answer, err = s.addMember(ctx, r, id)
		return http.StatusCreated, answer, err
	case http.MethodPut:
		return http.StatusNoContent, nil, s.updateMember(ctx, r, id)
	default:
		return http.StatusNoContent, nil, s.removeMember(ctx, id)
	}
}

func (s *Server) listMembers(ctx context.Context, which string) (any, error) {
	if which != "" && which != "leader" {
		return nil, newMessageError(http.StatusNotFound, "Not found")
	}
	listed, err := s.Consensus.Members(ctx, &consensusv1.MembersRequest{Serializable: true})
	if err != nil {
		return nil, err
	}
	if which == "leader" {
		return s.leader(ctx, listed.GetMembers())
	}
	all := struct {
		Members []*member `json:"members"`
	}{Members: []*member{}}
	ordered := slices.Clone(listed.GetMembers())
	slices.SortFunc(ordered, func(a, b *consensusv1.Member) int { return cmp.Compare(a.GetId(), b.GetId()) })
	for _, m := range ordered {
		all.Members = append(all.Members, fromMember(m))
	}
	return &all, nil
}

func (s *Server) leader(ctx context.Context, listed []*consensusv1.Member) (any, error) {
	position, err := s.Consensus.Status(ctx, &consensusv1.StatusRequest{})
	if err != nil {
		return nil, err
	}
	for _, m := range listed {
		if m.GetId() == position.GetLeaderId() {
			return fromMember(m), nil
		}
	}
	return nil, newMessageError(http.StatusServiceUnavailable, "During election")
}

func (s *Server) addMember(ctx context.Context, r *http.Request, id string) (any, error) {
	if id != "" {
		return nil, newMessageError(http.StatusNotFound, "Not found")
	}
	urls, err := readPeerURLs(r)
	if err != nil {
		return nil, err
	}
	added, err := s.Consensus.AddMember(ctx, &consensusv1.AddMemberRequest{PeerUrls: urls})
	if err != nil {
		return nil, memberProblem(err, "")
	}
	return fromMember(added.GetMember()), nil
}

func (s *Server) updateMember(ctx context.Context, r *http.Request, text string) error {
	id, err := parseID(text)
	if err != nil {
		return err
	}
	urls, err := readPeerURLs(r)
	if err != nil {
		return err
	}
	_, err = s.Consensus.UpdateMember(ctx, &consensusv1.UpdateMemberRequest{Id: id, PeerUrls: urls})
	return memberProblem(err, text)
}

func (s *Server) removeMember(ctx context.Context, text string) error {
	id, err := parseID(text)
	if err != nil {
		return err
	}
	_, err = s.Consensus.RemoveMember(ctx, &consensusv1.RemoveMemberRequest{Id: id})
	if errors.Is(err, errdefs.ErrMemberRemoved) {
		return newMessageError(http.StatusGone, "Member permanently removed: %s", text)
	}
	return memberProblem(err, text)
}

// errNoID refuses a request that would be one for a member, if it named one.
var errNoID = errors.New("no member id")

func parseID(text string) (uint64, error) {
	if text == "" {
		return 0, errNoID
	}
	id, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		return 0, newMessageError(http.StatusNotFound, "No such member: %s", text)
	}
	return id, nil
}

// memberProblem gives the refusals that clients know their answers.
func memberProblem(err error, id string) error {
	switch {
	case errors.Is(err, errdefs.ErrMemberNotFound):
		return newMessageError(http.StatusNotFound, "No such member: %s", id)
	case errors.Is(err, errdefs.ErrPeerInUse):
		return newMessageError(http.StatusConflict, "membership: peerURL exists")
	case errors.Is(err, errdefs.ErrMemberExists):
		return newMessageError(http.StatusConflict, "membership: ID exists")
	}
	return err
}

// readPeerURLs reads the body of a request that names peer URLs.
func readPeerURLs(r *http.Request) ([]string, error) {
	given := r.Header.Get("Content-Type")
	if kind, _, err := mime.ParseMediaType(given); err != nil || kind != "application/json" {
		return nil, newMessageError(http.StatusUnsupportedMediaType, "Bad Content-Type %s, accept application/json", given)
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, memberBytesMax))
	if err != nil {
		return nil, newMessageError(http.StatusBadRequest, "%v", err)
	}
	var asked struct {
		PeerURLs []string `json:"peerURLs"`
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		return nil, newMessageError(http.StatusBadRequest, "%v", err)
	}
	if len(asked.PeerURLs) == 0 {
		return nil, newMessageError(http.StatusBadRequest, "no valid URLs given")
	}
	if peerurls.TooMuch(asked.PeerURLs) {
		return nil, newMessageError(http.StatusBadRequest, "no valid URLs given: too many, or too long")
	}
	for _, text := range asked.PeerURLs {
		if err := checkPeerURL(text); err != nil {
			return nil, err
		}
	}
	return asked.PeerURLs, nil
}

func checkPeerURL(text string) error {
	u, err := url.Parse(strings.TrimSpace(text))
	switch {
	case err != nil:
		return newMessageError(http.StatusBadRequest, "%v", err)
	case u.Scheme == "unix" || u.Scheme == "unixs":
		return nil
	case u.Scheme != "http" && u.Scheme != "https":
		return newMessageError(http.StatusBadRequest, "URL scheme must be http, https, unix, or unixs: %s", text)
	}
	if _, _, err := net.SplitHostPort(u.Host); err != nil {
		return newMessageError(http.StatusBadRequest, `URL address does not have the form "host:port": %s`, text)
	}
	if u.Path != "" {
		return newMessageError(http.StatusBadRequest, "URL must not contain a path: %s", text)
	}
	return nil
}

// machines lists where clients may connect to.
func (s *Server) machines(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	ctx, cancel := s.bound(r)
	defer cancel()
	s.setCluster(ctx, w)
	listed, err := s.Consensus.Members(ctx, &consensusv1.MembersRequest{Serializable: true})
	if err != nil {
		http.Error(w, s.inClientsWords(ctx, err), http.StatusInternalServerError)
		return
	}
	var urls []string
	for _, m := range listed.GetMembers() {
		urls = append(urls, m.GetClientUrls()...)
	}
	slices.Sort(urls)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, strings.Join(urls, ", "))
}

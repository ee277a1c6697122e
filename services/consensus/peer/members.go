package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/pkg/tlsconfig"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/dial"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// memberJSON is a member as etcd's peers tell each other.
type memberJSON struct {
	ID         uint64   `json:"id"`
	PeerURLs   []string `json:"peerURLs"`
	IsLearner  bool     `json:"isLearner,omitempty"`
	Name       string   `json:"name,omitempty"`
	ClientURLs []string `json:"clientURLs,omitempty"`
}

func (t *Transport) serveMembers(w http.ResponseWriter, _ *http.Request) {
	r, leave, ok := t.enter()
	if !ok {
		wire.Refuse(wire.RefusedNotNow, "this member is starting or stopping").Write(w)
		return
	}
	defer leave()
	wire.Unread(w)
	t.mu.Lock()
	members := t.mu.known.Members()
	t.mu.Unlock()
	answer := make([]memberJSON, 0, len(members))
	for _, m := range members {
		answer = append(answer, memberJSON{ID: m.GetId(), PeerURLs: m.GetPeerUrls(), IsLearner: m.GetIsLearner(), Name: m.GetName(), ClientURLs: m.GetClientUrls()})
	}
	w.Header().Set(wire.HeaderCluster, identity.Format(r.cluster))
	wire.WriteJSON(w, answer)
}

func (t *Transport) serveVersion(w http.ResponseWriter, _ *http.Request) {
	wire.Unread(w)
	wire.WriteJSON(w, map[string]string{
		"etcdserver":  t.cfg.EtcdVersion,
		"etcdcluster": t.cfg.EtcdVersion,
		"quorate":     t.cfg.ServerVersion,
		"protocol":    strconv.Itoa(wire.ProtocolVersion),
	})
}

// FetchMembers asks the members behind urls, in turn, until one tells who belongs to the cluster. The questions come from the
// address local, unless it is nil; config is for URLs with the scheme https. The error tells what each of them said.
func FetchMembers(
	ctx context.Context, urls []string, local net.IP, config tlsconfig.Client,
) (clusterID uint64, members []*consensusv1.Member, err error) {
	transport := dial.HTTPTransport(dial.New(config, local))
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var problems []error
	for _, url := range urls {
		clusterID, members, err := fetchMembers(ctx, client, url)
		if err == nil {
			return clusterID, members, nil
		}
		problems = append(problems, fmt.Errorf("ask %s for the members: %w", url, err))
	}
	if len(urls) == 0 {
		problems = append(problems, errors.New("there is no URL to ask for the members"))
	}
	return 0, nil, errors.Join(problems...)
}

func fetchMembers(ctx context.Context, client *http.Client, url string) (uint64, []*consensusv1.Member, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, wire.RequestURL(url)+wire.PathMembers, nil)
	if err != nil {
		return 0, nil, err
	}
	response, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	if err := wire.RefusalOf(response); err != nil {
		return 0, nil, err
	}
	cluster, err := strconv.ParseUint(response.Header.Get(wire.HeaderCluster), 16, 64)
	if err != nil || cluster == 0 {
		return 0, nil, fmt.Errorf("the answer has no cluster id in its header %s", wire.HeaderCluster)
	}
	var listed []memberJSON
	if err := json.NewDecoder(io.LimitReader(response.Body, membersBytesMax)).Decode(&listed); err != nil {
		return 0, nil, fmt.Errorf("decode the members: %w", err)
	}
	members := make([]*consensusv1.Member, 0, len(listed))
	for _, m := range listed {
		members = append(members, &consensusv1.Member{Id: m.ID, Name: m.Name, PeerUrls: m.PeerURLs, ClientUrls: m.ClientURLs, IsLearner: m.IsLearner})
	}
	return cluster, members, nil
}

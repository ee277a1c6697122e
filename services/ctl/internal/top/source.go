package top

import (
	"bufio"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// source asks the cluster how it is.
type source struct {
	call   *shell.Call
	config *clientv3.Config
	client *clientv3.Client
	// clients are of one member each, by address.
	clients map[string]*clientv3.Client
}

// memberView is how one member is.
type memberView struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Endpoint  string `json:"endpoint"`
	Role      string `json:"role"`
	Version   string `json:"version,omitempty"`
	Revision  int64  `json:"revision,omitempty"`
	RaftIndex uint64 `json:"raft_index,omitempty"`
	Lag       uint64 `json:"lag_entries"`
	Size      int64  `json:"db_size,omitempty"`
	InUse     int64  `json:"db_size_in_use,omitempty"`
	Watches   int64  `json:"watches"` // -1 where it is not known
	Error     string `json:"error,omitempty"`
}

// look asks all members at once, and one of them for the leases.
func (s *source) look(ctx context.Context) *view {
	ctx, cancel := context.WithTimeout(ctx, s.call.CommandTimeout())
	defer cancel()
	v := &view{Leases: -1}
	members, err := s.client.MemberList(ctx)
	if err != nil {
		v.Error = err.Error()
		return v
	}
	v.Members = make([]*memberView, len(members.Members))
	var asking sync.WaitGroup
	for i, member := range members.Members {
		m := &memberView{ID: strconv.FormatUint(member.GetID(), 16), Name: member.GetName(), Role: "follower", Watches: -1}
		v.Members[i] = m
		if member.GetIsLearner() {
			m.Role = "learner"
		}
		if len(member.GetClientURLs()) == 0 {
			m.Role, m.Error = "not started", "it has not started yet"
			continue
		}
		m.Endpoint = member.GetClientURLs()[0]
		client, err := s.of(m.Endpoint)
		if err != nil {
			m.Error = err.Error()
			continue
		}
		asking.Go(func() { s.ask(ctx, client, m) })
	}
	if leases, err := s.client.Leases(ctx); err == nil {
		v.Leases = int64(len(leases.Leases))
	}
	if alarms, err := s.client.AlarmList(ctx); err == nil {
		for _, alarm := range alarms.Alarms {
			v.Alarms = append(v.Alarms, alarm.GetAlarm().String()+" of "+strconv.FormatUint(alarm.GetMemberID(), 16))
		}
	}
	asking.Wait()
	v.settle()
	return v
}

// of is the client of one member.
func (s *source) of(endpoint string) (*clientv3.Client, error) {
	if client := s.clients[endpoint]; client != nil {
		return client, nil
	}
	config := *s.config
	config.Endpoints = []string{endpoint}
	client, err := clientv3.New(config)
	if err != nil {
		return nil, err
	}
	if s.clients == nil {
		s.clients = map[string]*clientv3.Client{}
	}
	s.clients[endpoint] = client
	return client, nil
}

func (s *source) close() {
	for _, client := range s.clients {
		_ = client.Close() // its context's end is all that it can say
	}
}

func (s *source) ask(ctx context.Context, client *clientv3.Client, m *memberView) {
	status, err := client.Status(ctx, m.Endpoint)
	if err != nil {
		m.Error = err.Error()
		return
	}
	m.Version, m.Revision, m.RaftIndex, m.Size, m.InUse = status.Version, status.Header.GetRevision(), status.RaftIndex, status.DbSize, status.DbSizeInUse
	if status.Leader == status.Header.GetMemberId() {
		m.Role = "leader"
	}
	if len(status.Errors) > 0 {
		m.Error = strings.Join(status.Errors, ", ")
	}
	m.Watches = s.watches(ctx, m.Endpoint)
}

// metricsBytesMax bounds what is read of a member's metrics.
const metricsBytesMax = 8 << 20

// watches is how many watches a member has, -1 where its metrics do not say.
func (s *source) watches(ctx context.Context, endpoint string) int64 {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return -1
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.Scheme+"://"+u.Host+"/metrics", nil)
	if err != nil {
		return -1
	}
	transport := &http.Transport{TLSClientConfig: s.config.TLS}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return -1
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(http.MaxBytesReader(nil, answer.Body, metricsBytesMax))
	for lines.Scan() {
		if value, found := strings.CutPrefix(lines.Text(), "etcd_debugging_mvcc_watcher_total "); found {
			if n, err := strconv.ParseFloat(value, 64); err == nil {
				return int64(n)
			}
		}
	}
	return -1
}

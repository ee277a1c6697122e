package v2

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// selfStats is how the member is.
type selfStats struct {
	Name      string     `json:"name"`
	ID        string     `json:"id"`
	State     string     `json:"state"`
	StartTime time.Time  `json:"startTime"`
	Leader    leaderInfo `json:"leaderInfo"`
	// Appends are not counted one by one here: members exchange batches.
	RecvAppends uint64 `json:"recvAppendRequestCnt"`
	SendAppends uint64 `json:"sendAppendRequestCnt"`
}

type leaderInfo struct {
	Leader    string    `json:"leader"`
	Uptime    string    `json:"uptime"`
	StartTime time.Time `json:"startTime"`
}

func (s *Server) statsSelf(ctx context.Context) (status int, stats any, err error) {
	standing, err := s.Consensus.Status(ctx, &consensusv1.StatusRequest{Nearest: true})
	if err != nil {
		return 0, nil, err
	}
	counts, err := s.Tree.TreeStatistics(ctx, &consensusv1.TreeStatisticsRequest{})
	if err != nil {
		return 0, nil, err
	}
	listed, err := s.Consensus.Members(ctx, &consensusv1.MembersRequest{Serializable: true})
	if err != nil {
		return 0, nil, err
	}
	since := time.Unix(0, counts.GetLeaderSince()).UTC()
	shown := &selfStats{
		ID: formatID(standing.GetMemberId()), State: "StateFollower", StartTime: time.Unix(0, counts.GetStarted()).UTC(),
		Leader: leaderInfo{Leader: formatID(standing.GetLeaderId()), Uptime: s.Now().Sub(since).String(), StartTime: since},
	}
	if standing.GetLeaderId() == standing.GetMemberId() {
		shown.State = "StateLeader"
	}
	for _, m := range listed.GetMembers() {
		if m.GetId() == standing.GetMemberId() {
			shown.Name = m.GetName()
		}
	}
	return http.StatusOK, shown, nil
}

// leaderStats are of interest where there are followers. Their latencies are among the metrics.
type leaderStats struct {
	Leader    string              `json:"leader"`
	Followers map[string]struct{} `json:"followers"`
}

func (s *Server) statsLeader(ctx context.Context) (status int, stats any, err error) {
	standing, err := s.Consensus.Status(ctx, &consensusv1.StatusRequest{Nearest: true})
	if err != nil {
		return 0, nil, err
	}
	if standing.GetLeaderId() != standing.GetMemberId() {
		return http.StatusForbidden, &messageError{Message: "not current leader"}, nil
	}
	return http.StatusOK, &leaderStats{Leader: formatID(standing.GetLeaderId()), Followers: map[string]struct{}{}}, nil
}

// storeStats count what was done.
type storeStats struct {
	GetsSuccess             uint64 `json:"getsSuccess"`
	GetsFail                uint64 `json:"getsFail"`
	SetsSuccess             uint64 `json:"setsSuccess"`
	SetsFail                uint64 `json:"setsFail"`
	DeleteSuccess           uint64 `json:"deleteSuccess"`
	DeleteFail              uint64 `json:"deleteFail"`
	UpdateSuccess           uint64 `json:"updateSuccess"`
	UpdateFail              uint64 `json:"updateFail"`
	CreateSuccess           uint64 `json:"createSuccess"`
	CreateFail              uint64 `json:"createFail"`
	CompareAndSwapSuccess   uint64 `json:"compareAndSwapSuccess"`
	CompareAndSwapFail      uint64 `json:"compareAndSwapFail"`
	CompareAndDeleteSuccess uint64 `json:"compareAndDeleteSuccess"`
	CompareAndDeleteFail    uint64 `json:"compareAndDeleteFail"`
	ExpireCount             uint64 `json:"expireCount"`
	Watchers                int64  `json:"watchers"`
}

func (s *Server) statsStore(ctx context.Context) (status int, stats any, err error) {
	c, err := s.Tree.TreeStatistics(ctx, &consensusv1.TreeStatisticsRequest{})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, &storeStats{
		GetsSuccess: c.GetGets().GetDone(), GetsFail: c.GetGets().GetDeclined(),
		SetsSuccess: c.GetSets().GetDone(), SetsFail: c.GetSets().GetDeclined(),
		DeleteSuccess: c.GetDeletes().GetDone(), DeleteFail: c.GetDeletes().GetDeclined(),
		UpdateSuccess: c.GetUpdates().GetDone(), UpdateFail: c.GetUpdates().GetDeclined(),
		CreateSuccess: c.GetCreates().GetDone(), CreateFail: c.GetCreates().GetDeclined(),
		CompareAndSwapSuccess: c.GetSwaps().GetDone(), CompareAndSwapFail: c.GetSwaps().GetDeclined(),
		CompareAndDeleteSuccess: c.GetComparedDeletes().GetDone(), CompareAndDeleteFail: c.GetComparedDeletes().GetDeclined(),
		ExpireCount: c.GetExpired(),
		Watchers:    s.watchers.Load(),
	}, nil
}

// stats serves what tell tells. The answer has, unlike others, no newline at its end.
func (s *Server) stats(tell func(context.Context) (status int, stats any, err error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !allow(w, r, http.MethodGet) {
			return
		}
		ctx, cancel := s.bound(r)
		defer cancel()
		status, stats, err := tell(ctx)
		if err != nil {
			http.Error(w, s.inClientsWords(ctx, err), http.StatusInternalServerError)
			return
		}
		body, err := json.Marshal(stats)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(body) // a client that left does not miss it
	}
}

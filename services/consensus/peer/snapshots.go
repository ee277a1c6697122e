package peer

import (
	"net/http"

	"go.etcd.io/raft/v3/raftpb"
)

const (
	SnapshotBytesPerSecondDefault = 128 << 20
	pathSnapshot                  = "/snapshot/"
)

type (
	offer     struct{}
	snapshots struct{ r *run }
)

func newSnapshots(t *Transport, r *run, source SnapshotSource) *snapshots { return &snapshots{r} }
func (s *snapshots) removeLeftovers() error                               { return nil }
func (s *snapshots) close() error                                         { return nil }
func (s *snapshots) offer(l *link, m *raftpb.Message)                     { s.r.receiver.ReportSnapshot(l.id, false) }
func (s *snapshots) consider(uint64, offer)                               {}

func serveManifest(*run, greeting, http.ResponseWriter, *http.Request) {}
func serveFile(*run, greeting, http.ResponseWriter, *http.Request)     {}
func serveResult(*run, greeting, http.ResponseWriter, *http.Request)   {}

package console

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/console/v1/consolev1connect"
	"github.com/quoratedb/quorate/services/console/internal/live"
	"github.com/quoratedb/quorate/services/console/internal/page"
	"github.com/quoratedb/quorate/services/console/internal/plan"
	"github.com/quoratedb/quorate/services/console/internal/series"
	"github.com/quoratedb/quorate/services/console/internal/slowest"
	"github.com/quoratedb/quorate/services/console/web"
)

// Prefix is where the page is, and methodsPrefix what the paths of the service's methods begin with.
const (
	Prefix        = "/console/"
	methodsPrefix = "/" + consolev1connect.ConsoleServiceName + "/"
)

// Who is for whom a request is made.
type Who struct {
	// Name is empty for nobody; Proof says how it was shown.
	Name, Proof string
	Roles       []string
}

// Users knows for whom requests are made, and what they may do. Its methods may be called concurrently. Errors are ready for the client.
type Users interface {
	// Who tells for whom the request is made that ctx is of.
	Who(ctx context.Context) Who
	// May tells whether the caller of the request, or another user that is named, may do what is asked for.
	May(ctx context.Context, user string, question *consensusv1.AuthorizeRequest) (bool, error)
}

// Members knows single members of the cluster. Its methods may be called concurrently.
type Members interface {
	MemberStatus(ctx context.Context, id uint64) (*consensusv1.StatusResponse, error)
	// MoveLeader has leadership handed over, by whoever leads.
	MoveLeader(ctx context.Context, target uint64) error
}

// Config is what the console stands on. Conn, Users and Alarms are required.
type Config struct {
	// Conn calls methods of etcd's API, and InspectService's, for the caller of a request's context: what they may not, the console may not.
	Conn  grpc.ClientConnInterface
	Users Users
	// Members may be nil: then only the member that answers is known.
	Members Members
	// Alarms tells which alarms are raised, each in a few words.
	Alarms func(context.Context) ([]string, error)
	// AuditTail returns the last lines of the audit log; nil where there is none that can be read.
	AuditTail func(limit int) ([]string, error)
	// Gatherer has the metrics of the process; nil where there are none.
	Gatherer prometheus.Gatherer
	// Hosts are names by which browsers may call this server without TLS, beside addresses and localhost.
	Hosts []string
	// Version is the program's, EtcdVersion that of the API.
	Version, EtcdVersion string
	// TxnOpsMax is how many operations a transaction may have.
	TxnOpsMax uint
}

// Console serves the page and its methods. Create it with New and Run it; its other methods may be called concurrently with that.
type Console struct {
	cfg     Config
	page    *page.Page
	ring    *series.Ring
	slow    slowest.List
	plans   *plan.Planner
	streams *live.Streams
	states  states
	recent  recent

	kv          etcdserverpb.KVClient
	leases      etcdserverpb.LeaseClient
	cluster     etcdserverpb.ClusterClient
	maintenance etcdserverpb.MaintenanceClient
	auth        etcdserverpb.AuthClient
}

// New makes the console. It starts nothing.
func New(cfg Config) (*Console, error) {
	shown, err := page.New(Prefix, web.Dist())
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	if cfg.Gatherer == nil {
		cfg.Gatherer = prometheus.Gatherers{}
	}
	c := &Console{
		cfg: cfg, page: shown, ring: series.New(cfg.Gatherer, cfg.Alarms), plans: plan.New(cfg.Conn, cfg.TxnOpsMax),
		kv: etcdserverpb.NewKVClient(cfg.Conn), leases: etcdserverpb.NewLeaseClient(cfg.Conn), cluster: etcdserverpb.NewClusterClient(cfg.Conn),
		maintenance: etcdserverpb.NewMaintenanceClient(cfg.Conn), auth: etcdserverpb.NewAuthClient(cfg.Conn),
	}
	c.streams = live.New(live.Sources{Conn: cfg.Conn, Series: c.ring.Since, Lease: c.lease, Cluster: c.clusterOfAll})
	return c, nil
}

// Run measures until ctx ends.
func (c *Console) Run(ctx context.Context) { c.ring.Run(ctx) }

// Page serves the files of the page, below Prefix.
func (c *Console) Page() http.Handler { return c.Guard(c.page) }

// Guard refuses what pages of other origins, or of names that are not this server's, ask for.
func (c *Console) Guard(next http.Handler) http.Handler { return page.Hosts(c.cfg.Hosts).Guard(next) }

// Owns tells whether a path is the console's.
func Owns(path string) bool {
	return strings.HasPrefix(path, Prefix) || strings.HasPrefix(path, methodsPrefix)
}

// Methods are the names of the service's methods, and which of them stream.
func Methods() (service string, info grpc.ServiceInfo) {
	methods := consolev1.File_quorate_console_v1_console_proto.Services().ByName("ConsoleService").Methods()
	for i := range methods.Len() {
		m := methods.Get(i)
		info.Methods = append(info.Methods, grpc.MethodInfo{Name: string(m.Name()), IsServerStream: m.IsStreamingServer()})
	}
	return consolev1connect.ConsoleServiceName, info
}

// Slow is a request that has ended and took some time.
type Slow = slowest.Request

// WantsSlow tells whether NoteSlow would remember a request that has just ended. It is quick.
func (c *Console) WantsSlow(method string, took time.Duration, ended time.Time) bool {
	return c.slow.Wants(method, took, ended)
}

// NoteSlow remembers a request.
func (c *Console) NoteSlow(r Slow) { c.slow.Add(r, time.Now()) }

package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// facts are what was found. What judges them asks nobody.
type facts struct {
	endpoints []*endpoint
	members   []*etcdserverpb.Member
	// membersErr, alarmsErr and authErr say why something is not known.
	membersErr, alarmsErr, authErr error
	alarms                         []*etcdserverpb.AlarmMember
	authEnabled                    bool
	// revision is the newest; whole says that the history goes back to the first.
	revision int64
	whole    bool
	now      time.Time
}

// endpoint is what one address has said.
type endpoint struct {
	address string
	err     error
	status  *clientv3.StatusResponse
	took    time.Duration
	// skew is how far its clock is ahead of ours at the least; only if skewKnown.
	skew      time.Duration
	skewKnown bool
	// certificate is when the first certificate of its chain ends, zero without TLS.
	certificate time.Time
	given       bool // on the command line; else a member says that it is there
}

// gather asks every endpoint that was named, and every member where it says that it is.
func gather(call *shell.Call) (*facts, error) {
	config, err := call.Config()
	if err != nil {
		return nil, err
	}
	found := &facts{now: time.Now()}
	for _, address := range config.Endpoints {
		found.endpoints = append(found.endpoints, &endpoint{address: address, given: true})
	}
	askAll(call, config, found.endpoints)
	reached := slices.IndexFunc(found.endpoints, func(e *endpoint) bool { return e.err == nil })
	if reached < 0 {
		return found, nil
	}
	one := *config
	one.Endpoints = nil
	for _, e := range found.endpoints {
		if e.err == nil {
			one.Endpoints = append(one.Endpoints, e.address)
		}
	}
	client, err := call.Dial(&one)
	if err != nil {
		return nil, err
	}
	if err := found.ask(call, client); err != nil {
		return nil, err
	}
	var more []*endpoint
	known := map[uint64]bool{}
	for _, e := range found.endpoints {
		if e.status != nil {
			known[e.status.Header.GetMemberId()] = true
		}
	}
	for _, member := range found.members {
		if !known[member.GetID()] && len(member.GetClientURLs()) > 0 {
			more = append(more, &endpoint{address: member.GetClientURLs()[0]})
		}
	}
	askAll(call, config, more)
	found.endpoints = append(found.endpoints, more...)
	return found, nil
}

func askAll(call *shell.Call, config *clientv3.Config, endpoints []*endpoint) {
	var asking sync.WaitGroup
	for _, e := range endpoints {
		asking.Go(func() { e.ask(call, config) })
	}
	asking.Wait()
}

// ask asks one address for its status, its clock and its certificate.
func (e *endpoint) ask(call *shell.Call, config *clientv3.Config) {
	one := *config
	one.Endpoints = []string{e.address}
	client, err := clientv3.New(one)
	if err != nil {
		e.err = err
		return
	}
	defer client.Close()
	ctx, cancel := call.Timeout()
	defer cancel()
	began := time.Now()
	if e.status, e.err = client.Status(ctx, e.address); e.err != nil {
		return
	}
	e.took = time.Since(began)
	e.askClock(ctx, config.TLS)
	if config.TLS != nil {
		e.askCertificate(ctx, config.TLS)
	}
}

// hostOf is the host and port of an address, with or without a scheme.
func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return address
}

// askClock reads the clock from the date of an HTTP answer.
func (e *endpoint) askClock(ctx context.Context, secure *tls.Config) {
	scheme := "http://"
	if secure != nil {
		scheme = "https://"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+hostOf(e.address)+"/version", nil)
	if err != nil {
		return
	}
	transport := &http.Transport{TLSClientConfig: secure}
	defer transport.CloseIdleConnections()
	sent := time.Now()
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return // the clock stays unknown
	}
	defer answer.Body.Close()
	at, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return
	}
	// The date is of some moment on the way, and has whole seconds: what that explains is no skew.
	e.skew, e.skewKnown = 0, true
	if early := sent.Sub(at.Add(time.Second)); early > 0 {
		e.skew = -early
	} else if late := time.Until(at); late > 0 {
		e.skew = late
	}
}

func (e *endpoint) askCertificate(ctx context.Context, secure *tls.Config) {
	config := secure.Clone()
	if config.ServerName == "" {
		host, _, _ := net.SplitHostPort(hostOf(e.address))
		config.ServerName = host
	}
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", hostOf(e.address))
	if err != nil {
		return
	}
	defer conn.Close()
	for _, certificate := range conn.(*tls.Conn).ConnectionState().PeerCertificates {
		if e.certificate.IsZero() || certificate.NotAfter.Before(e.certificate) {
			e.certificate = certificate.NotAfter
		}
	}
}

// ask asks the cluster as a whole.
func (f *facts) ask(call *shell.Call, client *clientv3.Client) error {
	ctx, cancel := call.Timeout()
	defer cancel()
	members, err := client.MemberList(ctx)
	if f.membersErr = err; err == nil {
		f.members = members.Members
	}
	alarms, err := client.AlarmList(ctx)
	if f.alarmsErr = err; err == nil {
		f.alarms = alarms.Alarms
	}
	status, err := client.AuthStatus(ctx)
	if f.authErr = err; err == nil {
		f.authEnabled = status.Enabled
	}
	for _, e := range f.endpoints {
		if e.status != nil {
			f.revision = max(f.revision, e.status.Header.GetRevision())
		}
	}
	if f.revision > 1 {
		_, err := client.Get(ctx, "\x00", clientv3.WithRev(1), clientv3.WithSerializable())
		f.whole = err == nil
		if errors.Is(err, rpctypes.ErrInvalidAuthToken) {
			return exit.With(exit.Failure, call.Explain(err))
		}
	}
	return nil
}

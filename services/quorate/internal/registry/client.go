package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
	"github.com/quoratedb/quorate/services/quorate/config"
)

// client calls one endpoint after the other. It is used by one goroutine.
type client struct {
	conns          []*grpc.ClientConn
	at             int // the one in use
	user, password string
	token          string // of the user, at the endpoint in use
}

// newClient connects to nothing yet.
func newClient(d config.Discovery) (*client, error) {
	c := &client{user: d.User, password: d.Password}
	if c.password == "" {
		c.user, c.password, _ = strings.Cut(d.User, ":")
	}
	secrets, err := secretsOf(d)
	if err != nil {
		return nil, err
	}
	for _, endpoint := range d.Endpoints {
		conn, err := dial(d, endpoint, secrets)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("endpoint %s: %w", endpoint, err), c.close())
		}
		c.conns = append(c.conns, conn)
	}
	return c, nil
}

// secretsOf is nil where the settings do not ask for TLS, as in etcd's client.
func secretsOf(d config.Discovery) (*tls.Config, error) {
	files := tlsconfig.Server{
		CertFile: d.CertFile, KeyFile: d.KeyFile, TrustedCAFile: d.CAFile,
		Flags: tlsconfig.Flags{Cert: "discovery-cert", Key: "discovery-key", TrustedCA: "discovery-cacert"},
	}
	if files.Empty() && d.InsecureTransport && !d.InsecureSkipVerify {
		return nil, nil
	}
	client, err := files.Client(tlsconfig.Policy{MinVersion: "TLS1.2"})
	if err != nil {
		return nil, err
	}
	made := client()
	made.InsecureSkipVerify = d.InsecureSkipVerify
	return made, nil
}

// dial goes by the scheme of the endpoint, and where it has none, by whether there are secrets.
func dial(d config.Discovery, endpoint string, secrets *tls.Config) (*grpc.ClientConn, error) {
	scheme, address, ok := strings.Cut(strings.TrimSpace(endpoint), "://")
	switch {
	case !ok:
		address = scheme
	case scheme == "http":
		secrets = nil
	case scheme != "https":
		return nil, errors.New("must begin with http or https, or have no scheme")
	case secrets == nil:
		secrets = &tls.Config{}
	}
	how := insecure.NewCredentials()
	if secrets != nil {
		how = credentials.NewTLS(secrets)
	}
	return grpc.NewClient("passthrough:///"+strings.TrimSuffix(address, "/"),
		grpc.WithTransportCredentials(how),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: d.DialTimeout}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: d.KeepAliveTime, Timeout: d.KeepAliveTimeout}))
}

// next goes to the next endpoint, and says whether all had their turn.
func (c *client) next() (round bool) {
	c.token = ""
	c.at = (c.at + 1) % len(c.conns)
	return c.at == 0
}

// authorized logs in where there is a user, and returns ctx with what shows it.
func (c *client) authorized(ctx context.Context) (context.Context, error) {
	if c.user == "" {
		return ctx, nil
	}
	if c.token == "" {
		answer, err := etcdserverpb.NewAuthClient(c.conns[c.at]).Authenticate(ctx, &etcdserverpb.AuthenticateRequest{Name: c.user, Password: c.password})
		if err != nil {
			if err = rpctypes.Error(err); errors.Is(err, rpctypes.ErrAuthNotEnabled) {
				return ctx, nil // as etcd's client: nobody asks who it is
			}
			return nil, err
		}
		c.token = answer.GetToken()
	}
	return metadata.AppendToOutgoingContext(ctx, rpctypes.TokenFieldNameGRPC, c.token), nil
}

// get reads a key, or all that begin with it.
func (c *client) get(ctx context.Context, key string, prefix bool) (*etcdserverpb.RangeResponse, error) {
	ctx, err := c.authorized(ctx)
	if err != nil {
		return nil, err
	}
	request := &etcdserverpb.RangeRequest{Key: []byte(key)}
	if prefix {
		request.RangeEnd = endOf(key)
	}
	answer, err := etcdserverpb.NewKVClient(c.conns[c.at]).Range(ctx, request)
	return answer, rpctypes.Error(err)
}

func (c *client) put(ctx context.Context, key, value string) error {
	ctx, err := c.authorized(ctx)
	if err != nil {
		return err
	}
	_, err = etcdserverpb.NewKVClient(c.conns[c.at]).Put(ctx, &etcdserverpb.PutRequest{Key: []byte(key), Value: []byte(value)})
	return rpctypes.Error(err)
}

// watch returns once a key that begins with prefix has changed at the revision or later.
func (c *client) watch(ctx context.Context, prefix string, revision int64) error {
	ctx, err := c.authorized(ctx)
	if err != nil {
		return err
	}
	stream, err := etcdserverpb.NewWatchClient(c.conns[c.at]).Watch(ctx)
	if err != nil {
		return rpctypes.Error(err)
	}
	err = stream.Send(&etcdserverpb.WatchRequest{RequestUnion: &etcdserverpb.WatchRequest_CreateRequest{CreateRequest: &etcdserverpb.WatchCreateRequest{
		Key: []byte(prefix), RangeEnd: endOf(prefix), StartRevision: revision,
	}}})
	if err != nil {
		return rpctypes.Error(err)
	}
	for {
		answer, err := stream.Recv()
		switch {
		case err != nil:
			return rpctypes.Error(err)
		case answer.GetCanceled():
			return fmt.Errorf("the watch was canceled: %s", answer.GetCancelReason())
		case len(answer.GetEvents()) > 0:
			return nil
		}
	}
}

func (c *client) close() error {
	var errs []error
	for _, conn := range c.conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// endOf is the first key that does not begin with prefix, which ends in no byte of the highest value.
func endOf(prefix string) []byte {
	end := []byte(prefix)
	end[len(end)-1]++
	return end
}

package v2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	client "go.etcd.io/etcd/client/v2"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// dialTimeout is the longest wait for a connection where --total-timeout is longer.
const dialTimeout = 30 * time.Second

// connection is the store as the global flags name it.
type connection struct {
	client.Client
	transport *http.Transport
	timeout   time.Duration // of all requests of a command together, but for those that wait for events
}

// connect makes a client. Unless --no-sync says otherwise it asks for the members' own URLs, and goes on with those.
func connect(call *shell.Call) (*connection, error) {
	config, err := call.V2()
	if err != nil {
		return nil, err
	}
	c, err := dial(call, config)
	if err != nil || !config.Sync {
		return c, err
	}
	ctx, cancel := c.context()
	defer cancel()
	switch err := c.Sync(ctx); {
	case errors.Is(err, client.ErrNoEndpoints):
		fmt.Fprintf(call.Shell.Stderr, "no member says where clients reach it: --no-sync uses the given endpoints (%s)\n", strings.Join(config.Endpoints, ","))
		return nil, fail(call, exit.Feature, err)
	case unreachable(err):
		return nil, fail(call, exit.Connection, err)
	}
	return c, nil // what else is wrong, the command's own request says
}

// dial makes a client of the given endpoints.
func dial(call *shell.Call, config *shell.V2) (*connection, error) {
	if config.Debug {
		client.EnablecURLDebug()
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: min(dialTimeout, config.TotalTimeout)}).DialContext,
		TLSHandshakeTimeout: min(dialTimeout, config.TotalTimeout),
		TLSClientConfig:     config.TLS,
	}
	made, err := client.New(client.Config{
		Endpoints: config.Endpoints, Transport: transport,
		Username: config.Username, Password: config.Password,
		HeaderTimeoutPerRequest: config.RequestTimeout,
	})
	if err != nil {
		return nil, complain(call, "%v", err)
	}
	if config.Debug {
		fmt.Fprintf(call.Shell.Stderr, "Cluster-Endpoints: %s\n", strings.Join(made.Endpoints(), ", "))
	}
	return &connection{Client: made, transport: transport, timeout: config.TotalTimeout}, nil
}

func (c *connection) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), c.timeout)
}

// unreachable reports whether an error is that nobody answers at any endpoint.
func unreachable(err error) bool {
	var all *client.ClusterError
	if errors.As(err, &all) {
		for _, one := range all.Errors {
			if !unreachable(one) {
				return false
			}
		}
		return true
	}
	var operation *net.OpError
	if errors.As(err, &operation) && (operation.Op == "dial" || operation.Op == "read") {
		return true
	}
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

// ask does one request about keys.
func ask(call *shell.Call, request func(context.Context, client.KeysAPI) (*client.Response, error)) (*client.Response, error) {
	c, err := connect(call)
	if err != nil {
		return nil, err
	}
	ctx, cancel := c.context()
	defer cancel()
	answer, err := request(ctx, client.NewKeysAPI(c))
	switch {
	case err != nil:
		return nil, fail(call, exit.Feature, err)
	case answer.Node == nil:
		return nil, fail(call, exit.Feature, client.ErrInvalidJSON)
	}
	return answer, nil
}

// key is the first argument, which must be there.
func key(call *shell.Call) (string, error) {
	if len(call.Args) == 0 {
		return "", fail(call, exit.Arguments, errors.New("key required"))
	}
	return call.Args[0], nil
}

// keyAndValue are the first two arguments; the standard input has the value if there is one only.
func keyAndValue(call *shell.Call) (name, value string, err error) {
	name, err = key(call)
	switch {
	case err != nil:
		return "", "", err
	case len(call.Args) > 1:
		return name, call.Args[1], nil
	}
	read, err := io.ReadAll(call.Shell.Stdin)
	if err != nil || len(read) == 0 {
		return "", "", fail(call, exit.Arguments, errors.New("value required"))
	}
	return name, string(read), nil
}

// fail prints why a command failed, as etcdctl does in its v2 form, and is the error that ends the program.
func fail(call *shell.Call, code int, err error) error {
	w := call.Shell.Stderr
	fmt.Fprintln(w, "Error: ", err)
	var all *client.ClusterError
	switch {
	case errors.As(err, &all):
		fmt.Fprintln(w, all.Detail())
	case errors.Is(err, client.ErrInvalidJSON):
		fmt.Fprintln(w, "Hint: this is also what is seen where v2 is switched off: --enable-v2 switches it on, in etcd up to 3.5 and in Quorate")
	}
	return exit.Silently(code)
}

// complain is fail for the words about members, users and roles, which print the error alone.
func complain(call *shell.Call, format string, args ...any) error {
	fmt.Fprintf(call.Shell.Stderr, format+"\n", args...)
	return exit.Silently(exit.Failure)
}

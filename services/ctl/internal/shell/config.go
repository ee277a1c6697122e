package shell

import (
	"fmt"
	"strings"

	"go.etcd.io/etcd/client/pkg/v3/srv"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/prompt"
)

// clientService is the name of clients' endpoints in SRV records.
const clientService = "etcd-client"

// Config is how the global flags and variables say that the store is reached, a copy at each call.
func (c *Call) Config() (*clientv3.Config, error) {
	if err := c.Settle(); err != nil {
		return nil, err
	}
	if c.config == nil {
		config, err := c.readConfig()
		if err != nil {
			return nil, err
		}
		c.config = config
	}
	copied := *c.config
	return &copied, nil
}

func (c *Call) readConfig() (*clientv3.Config, error) {
	endpoints, err := c.endpoints()
	if err != nil {
		return nil, err
	}
	secure, err := c.secure()
	if err != nil {
		return nil, err
	}
	f := &c.Shell.flags
	auth, err := c.Credentials("Password: ", f.user, f.password)
	if err != nil {
		return nil, err
	}
	if f.token != "" {
		auth = &clientv3.AuthConfig{Token: f.token}
	}
	return c.configure(endpoints, secure, auth)
}

// ConfigOf is the configuration of a store besides the one that the global flags name: they say how long to wait and how
// much to take, the arguments all the rest.
func (c *Call) ConfigOf(endpoints []string, secure *clientv3.SecureConfig, auth *clientv3.AuthConfig) (*clientv3.Config, error) {
	if err := c.Settle(); err != nil {
		return nil, err
	}
	return c.configure(endpoints, secure, auth)
}

func (c *Call) configure(endpoints []string, secure *clientv3.SecureConfig, auth *clientv3.AuthConfig) (*clientv3.Config, error) {
	f := &c.Shell.flags
	config, err := clientv3.NewClientConfig(&clientv3.ConfigSpec{
		Endpoints:          endpoints,
		DialTimeout:        f.dialTimeout,
		KeepAliveTime:      f.keepaliveTime,
		KeepAliveTimeout:   f.keepaliveTimeout,
		MaxCallSendMsgSize: f.maxRequestBytes,
		MaxCallRecvMsgSize: f.maxReceiveBytes,
		Secure:             secure,
		Auth:               auth,
	}, zap.NewNop())
	if err != nil {
		return nil, exit.With(exit.Arguments, err)
	}
	if config.Logger, err = c.reasons.logger(c.Shell.flags.debug); err != nil {
		return nil, err
	}
	return config, nil
}

// secure is what the flags say of TLS.
func (c *Call) secure() (*clientv3.SecureConfig, error) {
	f := &c.Shell.flags
	for _, name := range []string{"cert", "key", "cacert"} {
		if flag := c.Command.Flags().Lookup(name); flag.Changed && flag.Value.String() == "" {
			return nil, exit.Withf(exit.Arguments, "--%s is an empty string: name a file, or leave the flag out", name)
		}
	}
	secure := &clientv3.SecureConfig{
		Cert: f.cert, Key: f.key, Cacert: f.cacert,
		InsecureTransport: f.insecureTransport, InsecureSkipVerify: f.skipVerify,
	}
	if !f.insecureDiscovery {
		secure.ServerName = f.discoveryDomain
	}
	return secure, nil
}

// Credentials are a user's name and password of "name", "name:password" or name and password apart; nil without a name. A
// password that is missing is asked for.
func (c *Call) Credentials(question, user, password string) (*clientv3.AuthConfig, error) {
	if user == "" {
		return nil, nil
	}
	if password != "" {
		return &clientv3.AuthConfig{Username: user, Password: password}, nil
	}
	name, password, given := strings.Cut(user, ":")
	if given {
		return &clientv3.AuthConfig{Username: name, Password: password}, nil
	}
	password, err := prompt.Password(c.Shell.Stdin, c.Shell.Stdout, question)
	if err != nil {
		return nil, exit.With(exit.Failure, err)
	}
	return &clientv3.AuthConfig{Username: user, Password: password}, nil
}

// endpoints are those that DNS names, if it is asked, or else those of the flag.
func (c *Call) endpoints() ([]string, error) {
	f := &c.Shell.flags
	if f.discoveryDomain == "" {
		return trimmed(f.endpoints), nil
	}
	found, err := srv.GetClient(clientService, f.discoveryDomain, f.discoveryService)
	if err != nil {
		return nil, exit.With(exit.Failure, err)
	}
	var used []string
	for _, endpoint := range found.Endpoints {
		if !f.insecureDiscovery && strings.HasPrefix(endpoint, "http://") {
			fmt.Fprintf(c.Shell.Stderr, "ignoring discovered insecure endpoint %q: --insecure-discovery would use it\n", endpoint)
			continue
		}
		used = append(used, endpoint)
	}
	if len(used) == 0 {
		return trimmed(f.endpoints), nil
	}
	return used, nil
}

func trimmed(endpoints []string) []string {
	clean := make([]string, len(endpoints))
	for i, endpoint := range endpoints {
		clean[i] = strings.TrimSpace(endpoint)
	}
	return clean
}

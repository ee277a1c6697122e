package config

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/quoratedb/quorate/pkg/founders"
	"github.com/quoratedb/quorate/pkg/tlsconfig"
)

// clientTLS is ClientTLS with the names of its flags.
func (c Config) clientTLS() tlsconfig.Server {
	made := c.ClientTLS
	made.Flags = tlsconfig.FlagsOf("", "client-")
	return made
}

func (c Config) peerTLS() tlsconfig.Server {
	made := c.PeerTLS
	made.Flags = tlsconfig.FlagsOf("peer-", "peer-")
	return made
}

// TLSForClients is nil where no client URL uses TLS. log is told later what becomes of the files.
func (c Config) TLSForClients(log *slog.Logger) (*tls.Config, error) {
	server := c.clientTLS()
	server.Log = log
	if c.ClientAutoTLS && server.CertFile == "" && server.KeyFile == "" {
		var err error
		server.CertFile, server.KeyFile, err = tlsconfig.SelfSigned(filepath.Join(c.Directory(), "fixtures", "client"), hostsOf(c.clientURLs(), c.AdvertiseClientURLs), c.SelfSignedCertValidity)
		if err != nil {
			return nil, fmt.Errorf("--auto-tls: %w", err)
		}
	}
	if !AnySecure(c.clientURLs()) {
		return nil, nil
	}
	return server.Config(c.TLSPolicy)
}

// TLSForPeers is how other members are let in and how they are called. Both are nil where no peer URL uses TLS. log is told
// later what becomes of the files.
func (c Config) TLSForPeers(log *slog.Logger) (server *tls.Config, client tlsconfig.Client, err error) {
	files := c.peerTLS()
	files.Log = log
	auto := c.PeerAutoTLS && files.CertFile == "" && files.KeyFile == ""
	if auto {
		files.CertFile, files.KeyFile, err = tlsconfig.SelfSigned(filepath.Join(c.Directory(), "fixtures", "peer"), hostsOf(c.ListenPeerURLs, c.InitialAdvertisePeerURLs), c.SelfSignedCertValidity)
		if err != nil {
			return nil, nil, fmt.Errorf("--peer-auto-tls: %w", err)
		}
	}
	if files.CertFile == "" {
		return nil, nil, nil
	}
	material, err := files.Load(c.TLSPolicy)
	if err != nil {
		return nil, nil, err
	}
	if server, err = material.Serving(); err != nil {
		return nil, nil, err
	}
	return server, func() *tls.Config {
		made := material.Calling()
		// Self-signed certificates vouch for nobody: the connection is private, and nobody knows with whom.
		made.InsecureSkipVerify = auto
		// As in etcd: who finds members by a domain, and names no authority to vouch for them, wants certificates of that domain.
		if files.TrustedCAFile == "" {
			made.ServerName = c.DiscoverySRV
		}
		return made
	}, nil
}

// clientURLs are all URLs that ClientTLS is for.
func (c Config) clientURLs() []string {
	return slices.Concat(c.ListenClientURLs, c.ListenClientHTTPURLs, c.ListenLegacyURLs, c.ListenMetricsURLs)
}

// hostsOf are the hosts in URLs that name one.
func hostsOf(urls ...[]string) []string {
	var hosts []string
	for _, text := range slices.Concat(urls...) {
		u, err := founders.ParseURL(text)
		if err != nil || isSocket(u) || listensEverywhere(u) || slices.Contains(hosts, u.Hostname()) {
			continue
		}
		hosts = append(hosts, u.Hostname())
	}
	if len(hosts) == 0 {
		return []string{"localhost"} // sockets only
	}
	return hosts
}

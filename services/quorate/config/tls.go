package config

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
)

// TLSForClients is nil where no client URL uses TLS.
func (c Config) TLSForClients() (*tls.Config, error) {
	server := c.ClientTLS
	if c.ClientAutoTLS && server.CertFile == "" && server.KeyFile == "" {
		var err error
		server.CertFile, server.KeyFile, err = tlsconfig.SelfSigned(filepath.Join(c.Directory(), "fixtures", "client"), c.certificateHosts(), c.SelfSignedCertValidity)
		if err != nil {
			return nil, fmt.Errorf("--auto-tls: %w", err)
		}
	}
	if !AnySecure(c.clientURLs()) {
		return nil, nil
	}
	made, err := server.Config(c.TLSPolicy)
	if err != nil {
		return nil, fmt.Errorf("--cert-file=%s --key-file=%s: %w", server.CertFile, server.KeyFile, err)
	}
	return made, nil
}

// TLSForPeers is how other members are let in and how they are called. Both are nil where no peer URL uses TLS.
func (c Config) TLSForPeers() (server *tls.Config, client tlsconfig.Client, err error) {
	files := c.PeerTLS
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
	// The result has a name of its own: what is returned must not call itself.
	var calling tlsconfig.Client
	if server, err = files.Config(c.TLSPolicy); err == nil {
		calling, err = files.Client(c.TLSPolicy)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("--peer-cert-file=%s --peer-key-file=%s: %w", files.CertFile, files.KeyFile, err)
	}
	return server, func() (*tls.Config, error) {
		made, err := calling()
		if err != nil {
			return nil, err
		}
		// Self-signed certificates vouch for nobody: the connection is private, and nobody knows with whom.
		made.InsecureSkipVerify = auto
		// As in etcd: who finds members by a domain, and names no authority to vouch for them, wants certificates of that domain.
		if files.TrustedCAFile == "" {
			made.ServerName = c.DiscoverySRV
		}
		return made, nil
	}, nil
}

// clientURLs are all URLs that ClientTLS is for.
func (c Config) clientURLs() []string {
	return slices.Concat(c.ListenClientURLs, c.ListenClientHTTPURLs, c.ListenLegacyURLs, c.ListenMetricsURLs)
}

// certificateHosts are the hosts that a self-signed certificate must be valid for: where clients may come in.
func (c Config) certificateHosts() []string { return hostsOf(c.clientURLs(), c.AdvertiseClientURLs) }

// hostsOf are the hosts in URLs that name one.
func hostsOf(urls ...[]string) []string {
	var hosts []string
	for _, text := range slices.Concat(urls...) {
		u, err := ParseURL(text)
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

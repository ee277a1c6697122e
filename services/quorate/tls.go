package quorate

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
)

// clientTLS is nil where no client URL uses TLS.
func (c Config) clientTLS() (*tls.Config, error) {
	server := c.ClientTLS
	if c.ClientAutoTLS && server.CertFile == "" && server.KeyFile == "" {
		var err error
		server.CertFile, server.KeyFile, err = tlsconfig.SelfSigned(filepath.Join(c.dataDir(), "fixtures", "client"), c.certificateHosts(), c.SelfSignedCertValidity)
		if err != nil {
			return nil, fmt.Errorf("--auto-tls: %w", err)
		}
	}
	if !anySecure(c.clientURLs()) {
		return nil, nil
	}
	made, err := server.Config(c.TLSPolicy)
	if err != nil {
		return nil, fmt.Errorf("--cert-file=%s --key-file=%s: %w", server.CertFile, server.KeyFile, err)
	}
	return made, nil
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
		u, err := parseURL(text)
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

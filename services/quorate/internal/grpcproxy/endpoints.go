package grpcproxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/quoratedb/quorate/pkg/boundedfile"
	"github.com/quoratedb/quorate/pkg/tlsconfig"
	"github.com/quoratedb/quorate/services/api"
	"github.com/quoratedb/quorate/services/quorate/internal/tcpgateway"
)

const (
	// lookAgain is how often SRV records, or the file, are looked at where no interval is given.
	lookAgain = 30 * time.Second
	// discoverWithin bounds one look at SRV records and what they name.
	discoverWithin = 30 * time.Second
)

// locate says where the members are, and how that is followed.
func (o Options) locate(ctx context.Context, to *api.Upstream, log *slog.Logger) error {
	to.FindInterval = o.SyncInterval
	to.Endpoints = o.Endpoints
	switch {
	case o.Domain != "":
		to.Find = func(ctx context.Context) ([]string, error) { return o.discover(ctx, log) }
	case o.EndpointsFile != "":
		to.Find = func(context.Context) ([]string, error) { return o.read() }
	default:
		to.FollowMembers = o.SyncInterval > 0
		return nil
	}
	if to.FindInterval == 0 {
		to.FindInterval = lookAgain
	}
	bounded, cancel := context.WithTimeout(ctx, discoverWithin)
	defer cancel()
	found, err := to.Find(bounded)
	switch {
	case err != nil:
		return err
	case len(found) > 0: // as with etcd, also where none of those found will do
		to.Endpoints = found
	}
	return nil
}

// discover looks SRV records up.
func (o Options) discover(ctx context.Context, log *slog.Logger) ([]string, error) {
	discovery := tcpgateway.Discovery{
		Resolver: net.DefaultResolver, Domain: o.Domain, Service: o.Service, Insecure: o.Insecure, CAFile: o.CAFile, Logger: log,
	}
	targets, err := discovery.Targets(ctx)
	if err != nil {
		return nil, fmt.Errorf("--discovery-srv=%s: %w", o.Domain, err)
	}
	urls := make([]string, 0, len(targets))
	for _, t := range targets {
		scheme := "http://"
		if t.TLS {
			scheme = "https://"
		}
		urls = append(urls, scheme+t.Address)
	}
	return urls, nil
}

// read reads the file of endpoints: one a line, and what stands behind # does not count.
func (o Options) read() ([]string, error) {
	text, err := boundedfile.Read(o.EndpointsFile)
	if err != nil {
		return nil, fmt.Errorf("--endpoints-file: %w", err)
	}
	var found []string
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		for endpoint := range strings.FieldsFuncSeq(line, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' }) {
			found = append(found, endpoint)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("--endpoints-file=%s: there is no endpoint in it", o.EndpointsFile)
	}
	return found, nil
}

// secrets is how members with TLS are called; nil where no flag says.
func (o Options) secrets(log *slog.Logger) (tlsconfig.Client, error) {
	if o.CertFile == "" && o.CAFile == "" && !o.SkipVerification {
		return nil, nil
	}
	files := tlsconfig.Server{
		CertFile: o.CertFile, KeyFile: o.KeyFile, TrustedCAFile: o.CAFile, Log: log,
		Flags: tlsconfig.Flags{Cert: "cert", Key: "key", TrustedCA: "cacert"},
	}
	if o.SkipVerification {
		log.Warn("--insecure-skip-tls-verify: members' certificates are not checked")
	}
	material, err := files.Load(tlsconfig.Policy{MinVersion: "TLS1.2"})
	if err != nil {
		return nil, err
	}
	client := func() *tls.Config {
		made := material.Calling()
		made.InsecureSkipVerify = o.SkipVerification
		if shown := made.GetClientCertificate; shown != nil {
			made.GetClientCertificate = func(wanted *tls.CertificateRequestInfo) (*tls.Certificate, error) {
				certificate, err := shown(wanted)
				if err == nil {
					err = nobody(certificate)
				}
				if err != nil {
					return nil, fmt.Errorf("--cert=%s: %w", o.CertFile, err)
				}
				return certificate, nil
			}
		}
		return made
	}
	if o.CertFile != "" {
		if _, err := client().GetClientCertificate(&tls.CertificateRequestInfo{}); err != nil {
			return nil, err
		}
	}
	return client, nil
}

// nobody refuses a certificate with a common name, or a SPIFFE id: the cluster would take every client without a token for that user.
func nobody(certificate *tls.Certificate) error {
	if certificate == nil || len(certificate.Certificate) == 0 {
		return errors.New("there is no certificate")
	}
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		return err
	}
	if leaf.Subject.CommonName != "" {
		return fmt.Errorf("cert has non empty Common Name (%s): members with --client-cert-auth would take every client that has no token for this user", leaf.Subject.CommonName)
	}
	for _, id := range leaf.URIs {
		if id.Scheme == "spiffe" {
			return fmt.Errorf("cert has a SPIFFE id (%s): members with --auth-spiffe-users would take every client that has no token for its user", id)
		}
	}
	return nil
}

package tcpgateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"

	"github.com/quoratedb/quorate/pkg/boundedfile"
)

// Resolver looks names up, as net.Resolver does.
type Resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

// Discovery finds targets by the SRV records of a domain, _etcd-client-ssl._tcp and _etcd-client._tcp, as etcd's tools do.
type Discovery struct {
	Resolver Resolver
	Domain   string
	// Service, unless empty, follows the services' names: _etcd-client-ssl-Service._tcp.
	Service string
	// Insecure takes every record. Otherwise those of the second service are left out, and of the first the targets that show no certificate
	// of the domain's.
	Insecure bool
	// CAFile has the authorities that such certificates are checked with; empty for the system's.
	CAFile string
	Logger *slog.Logger
}

// Targets looks the records up and tries what they name. It fails where there is no record at all.
func (d Discovery) Targets(ctx context.Context) ([]Target, error) {
	authorities, err := d.authorities()
	if err != nil {
		return nil, err
	}
	var targets []Target
	var problems []error
	found := 0
	for _, service := range []struct {
		name   string
		secure bool
	}{{"etcd-client-ssl", true}, {"etcd-client", false}} {
		name := service.name
		if d.Service != "" {
			name += "-" + d.Service
		}
		_, records, err := d.Resolver.LookupSRV(ctx, name, "tcp", d.Domain)
		if err != nil {
			problems = append(problems, fmt.Errorf("error querying DNS SRV records for _%s: %w", name, err))
			continue
		}
		for _, record := range records {
			found++
			address := net.JoinHostPort(strings.TrimSuffix(record.Target, "."), strconv.Itoa(int(record.Port)))
			if err := d.vouch(ctx, address, service.secure, authorities); err != nil {
				d.Logger.Warn("an SRV record is left out", "service", name, "domain", d.Domain, "endpoint", address, "error", err)
				continue
			}
			targets = append(targets, Target{Address: address, TLS: service.secure, Priority: record.Priority, Weight: record.Weight})
		}
	}
	if found == 0 {
		return nil, errors.Join(problems...)
	}
	return targets, nil
}

func (d Discovery) authorities() (*x509.CertPool, error) {
	if d.CAFile == "" {
		return nil, nil
	}
	encoded, err := boundedfile.Read(d.CAFile)
	if err != nil {
		return nil, fmt.Errorf("--trusted-ca-file: %w", err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(encoded) {
		return nil, fmt.Errorf("--trusted-ca-file=%s: there is no certificate in it", d.CAFile)
	}
	return authorities, nil
}

var errNotSecure = errors.New("its service is the one without TLS (--insecure-discovery takes it)")

// vouch refuses a target that does not show a certificate of the domain's.
func (d Discovery) vouch(ctx context.Context, address string, secure bool, authorities *x509.CertPool) error {
	switch {
	case d.Insecure:
		return nil
	case !secure:
		return errNotSecure
	}
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: dialMax}, Config: &tls.Config{RootCAs: authorities, ServerName: d.Domain, MinVersion: tls.VersionTLS12}}
	bounded, cancel := context.WithTimeout(ctx, dialMax)
	defer cancel()
	conn, err := dialer.DialContext(bounded, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

package natsserver

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
)

// RouteTLS makes one configuration for both ends of routes from that of a server and that of a client, as NATS wants
// it. Routes go to addresses, not names: so a node's certificate has to be valid for one of the peers' names or for
// the address. The authorities are the client's as they are at each handshake, for both ends.
func RouteTLS(asServer *tls.Config, asClient tlsconfig.Client, peers []string) *tls.Config {
	made := asServer.Clone()
	made.NextProtos = nil
	made.GetConfigForClient = nil
	made.ClientAuth, made.ClientCAs = tls.RequireAnyClientCert, nil // verify looks at it
	made.GetClientCertificate = func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		config := asClient()
		switch {
		case config.GetClientCertificate != nil:
			return config.GetClientCertificate(asked)
		case len(config.Certificates) > 0:
			return &config.Certificates[0], nil
		default:
			return &tls.Certificate{}, nil // as crypto/tls wants it from who has none
		}
	}
	made.InsecureSkipVerify = true // of the name, which verify looks at
	names := hosts(peers)
	check := asServer.VerifyConnection
	made.VerifyConnection = func(state tls.ConnectionState) error {
		chains, err := verify(state, asClient().RootCAs, names)
		if err != nil || check == nil {
			return err
		}
		state.VerifiedChains = chains
		return check(state)
	}
	return made
}

func hosts(peers []string) []string {
	var names []string
	for _, peer := range peers {
		if host, _, err := net.SplitHostPort(peer); err == nil {
			names = append(names, host)
		}
	}
	return names
}

// verify checks that an authority vouches for the other end, by the chains that it returns, and that it is a watch node by
// its certificate's names.
func verify(state tls.ConnectionState, authorities *x509.CertPool, names []string) ([][]*x509.Certificate, error) {
	if len(state.PeerCertificates) == 0 {
		return nil, errors.New("the other watch node shows no certificate")
	}
	leaf := state.PeerCertificates[0]
	intermediates := x509.NewCertPool()
	for _, certificate := range state.PeerCertificates[1:] {
		intermediates.AddCert(certificate)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: authorities, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(names, func(name string) bool { return leaf.VerifyHostname(name) == nil }) {
		return nil, fmt.Errorf("the other watch node's certificate is valid for none of %v", names)
	}
	return chains, nil
}

package tlsconfig

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// revoked is what lists of revoked certificates say.
type revoked struct {
	// numbers are the serial numbers on any list, pairs those with the name of the authority whose list it is.
	numbers, pairs map[string]bool
	// nextUpdate is when the first of the lists is out of date, zero for never.
	nextUpdate time.Time
}

func keepRevoked(log *slog.Logger, file given) (*kept[*revoked], error) {
	parse := func(contents [][]byte) (*revoked, error) {
		lists, err := revocationLists(contents[0])
		if err != nil {
			return nil, file.wrong(fmt.Errorf("is no revocation list, in DER or in PEM: %w", err))
		}
		made := &revoked{numbers: map[string]bool{}, pairs: map[string]bool{}}
		for _, list := range lists {
			made.add(list)
		}
		return made, nil
	}
	complain := func(r *revoked, now time.Time) error {
		if !r.nextUpdate.IsZero() && now.After(r.nextUpdate) {
			return file.wrong(fmt.Errorf("the revocation list should have been replaced by %s; whom it holds is turned away all the same", r.nextUpdate.UTC().Format(time.RFC3339)))
		}
		return nil
	}
	return keep(log, parse, complain, file)
}

// revocationLists takes one list in DER, as etcd does, or any number in PEM: each authority of a bundle has its own.
func revocationLists(content []byte) (lists []*x509.RevocationList, err error) {
	ders := [][]byte{content}
	if bytes.Contains(content, []byte(pemBegin)) {
		blocks, err := decode(content)
		if err != nil {
			return nil, err
		}
		ders = nil
		for _, block := range blocks {
			if block.Type != "X509 CRL" {
				return nil, fmt.Errorf("a block of PEM in it is a %s, not an X509 CRL", block.Type)
			}
			ders = append(ders, block.Bytes)
		}
	}
	for _, der := range ders {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, err
		}
		lists = append(lists, list)
	}
	return lists, nil
}

func (r *revoked) add(list *x509.RevocationList) {
	for _, entry := range list.RevokedCertificateEntries {
		number := entry.SerialNumber.String()
		r.numbers[number], r.pairs[string(list.RawIssuer)+number] = true, true
	}
	if next := list.NextUpdate; !next.IsZero() && (r.nextUpdate.IsZero() || next.Before(r.nextUpdate)) {
		r.nextUpdate = next
	}
}

// check refuses what the other end shows, by its number alone as etcd does; and whoever is vouched for by nobody but
// authorities that are revoked, which the other end need not show.
func (r *revoked) check(state tls.ConnectionState) error {
	for _, certificate := range state.PeerCertificates {
		if r.numbers[certificate.SerialNumber.String()] {
			return fmt.Errorf("certificate of %q with serial number %x is revoked", certificate.Subject, certificate.SerialNumber)
		}
	}
	if len(state.VerifiedChains) > 0 && !slices.ContainsFunc(state.VerifiedChains, func(chain []*x509.Certificate) bool { return !r.holdsOneOf(chain) }) {
		return errors.New("an authority that vouches for the certificate is revoked")
	}
	return nil
}

func (r *revoked) holdsOneOf(chain []*x509.Certificate) bool {
	return slices.ContainsFunc(chain, func(certificate *x509.Certificate) bool {
		return r.pairs[string(certificate.RawIssuer)+certificate.SerialNumber.String()]
	})
}

// verify decides about an other end that the authorities vouch for, or that needs no certificate and showed none.
func (m *Material) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return nil
	}
	leaf := state.PeerCertificates[0]
	if allowed := m.server.AllowedNames; len(allowed) > 0 && !slices.Contains(allowed, leaf.Subject.CommonName) {
		return fmt.Errorf("common name %q of the certificate is not allowed", leaf.Subject.CommonName)
	}
	if allowed := m.server.AllowedHostnames; len(allowed) > 0 && !slices.ContainsFunc(allowed, func(host string) bool { return leaf.VerifyHostname(host) == nil }) {
		return errors.New("the certificate is valid for none of the allowed host names")
	}
	if m.revoked == nil {
		return nil
	}
	return m.revoked.current().check(state)
}

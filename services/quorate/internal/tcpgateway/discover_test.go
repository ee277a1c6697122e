package tcpgateway

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/services/quorate/internal/dns/dnstest"
)

// Goal: SRV records of both services are found, and unless everything is taken those alone that show a certificate of the domain's. Method: a server with
// TLS, whose certificate is of example.com, and one without; a DNS server.
func TestDiscoveryTakesWhatShowsACertificate(t *testing.T) {
	secured := httptest.NewUnstartedServer(http.NotFoundHandler())
	secured.StartTLS()
	defer secured.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure, insecure := byName(secured), byName(plain)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pemOf(secured.Certificate()), 0o600))
	resolver := dnstest.Zone{Services: map[string][]string{
		"_etcd-client-ssl._tcp.example.com":   {secure, insecure},
		"_etcd-client._tcp.example.com":       {insecure},
		"_etcd-client-two._tcp.example.com":   {insecure},
		"_etcd-client-ssl._tcp.elsewhere.com": {secure},
	}}.Serve(t)
	for name, test := range map[string]struct {
		discovery Discovery
		want      []string
		fails     string
	}{
		"checked":            {Discovery{Domain: "example.com", CAFile: ca}, []string{secure}, ""},
		"all":                {Discovery{Domain: "example.com", Insecure: true}, []string{secure, insecure, insecure}, ""},
		"unknown authority":  {Discovery{Domain: "example.com"}, nil, ""},
		"of another domain":  {Discovery{Domain: "elsewhere.com", CAFile: ca}, nil, ""},
		"with a name":        {Discovery{Domain: "example.com", Service: "two", Insecure: true}, []string{insecure}, ""},
		"no record":          {Discovery{Domain: "nowhere.com"}, nil, "error querying DNS SRV records for _etcd-client-ssl"},
		"no authority there": {Discovery{Domain: "example.com", CAFile: "/nowhere"}, nil, "--trusted-ca-file"},
	} {
		t.Run(name, func(t *testing.T) {
			test.discovery.Resolver, test.discovery.Logger = resolver, slog.New(slog.DiscardHandler)
			targets, err := test.discovery.Targets(t.Context())
			if test.fails != "" {
				require.ErrorContains(t, err, test.fails)
				return
			}
			require.NoError(t, err)
			var got []string
			for _, target := range targets {
				got = append(got, target.Address)
			}
			require.ElementsMatch(t, test.want, got)
		})
	}
}

func pemOf(certificate *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
}

// byName is where a server is, by a name, as records say it.
func byName(s *httptest.Server) string {
	return fmt.Sprintf("localhost:%d", s.Listener.Addr().(*net.TCPAddr).Port)
}

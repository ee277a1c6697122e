package dns

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/services/quorate/internal/dns/dnstest"
)

const (
	secure = "_etcd-server-ssl._tcp.example.test"
	plain  = "_etcd-server._tcp.example.test"
)

var members = map[string][]string{
	"m1.example.test": {"10.0.0.1"}, "m2.example.test": {"10.0.0.2", "fd00::2"}, "m3.example.test": {"10.0.0.3"},
}

var three = []string{"m1.example.test:2380", "m2.example.test:2380", "m3.example.test:2380"}

var foundersTests = map[string]struct {
	services map[string][]string
	service  string
	urls     []string
	want     []string // the own one ends in "!"
	err      []string
}{
	"plain, by address": {
		services: map[string][]string{plain: three}, urls: []string{"http://10.0.0.2:2380"},
		want: []string{"http://m1.example.test:2380", "http://m2.example.test:2380!", "http://m3.example.test:2380"},
	},
	"plain, by the second address": {
		services: map[string][]string{plain: three}, urls: []string{"http://[fd00::2]:2380"},
		want: []string{"http://m1.example.test:2380", "http://m2.example.test:2380!", "http://m3.example.test:2380"},
	},
	"secure, by name": {
		services: map[string][]string{secure: three}, urls: []string{"https://m1.example.test:2380"},
		want: []string{"https://m1.example.test:2380!", "https://m2.example.test:2380", "https://m3.example.test:2380"},
	},
	"secure first, then plain": {
		services: map[string][]string{secure: three[:1], plain: three[1:]}, urls: []string{"http://10.0.0.3:2380"},
		want: []string{"https://m1.example.test:2380", "http://m2.example.test:2380", "http://m3.example.test:2380!"},
	},
	"with a service name": {
		services: map[string][]string{"_etcd-server-ssl-blue._tcp.example.test": three[:1], "_etcd-server-green._tcp.example.test": three},
		service:  "blue", urls: []string{"https://10.0.0.1:2380"}, want: []string{"https://m1.example.test:2380!"},
	},
	"other ports are other members": {
		services: map[string][]string{plain: {"m1.example.test:1", "m1.example.test:2"}}, urls: []string{"http://10.0.0.1:2"},
		want: []string{"http://m1.example.test:1", "http://m1.example.test:2!"},
	},
	"no records": {
		urls: []string{"http://10.0.0.1:2380"},
		err: []string{
			"error querying DNS SRV records for _etcd-server-ssl lookup _etcd-server-ssl._tcp.example.test",
			"error querying DNS SRV records for _etcd-server lookup _etcd-server._tcp.example.test", "no such host",
		},
	},
	"not among them": {
		services: map[string][]string{plain: three}, urls: []string{"http://10.0.0.9:2380"},
		err: []string{`cannot find local etcd member "m" in SRV records`, "http://10.0.0.9:2380"},
	},
	"another scheme": {
		services: map[string][]string{secure: three}, urls: []string{"http://10.0.0.1:2380"},
		err: []string{"bootstrap at https://m1.example.test:2380 from DNS for etcd-server-ssl has scheme mismatch with expected peer http://10.0.0.1:2380"},
	},
	"a target that has no address": {
		services: map[string][]string{plain: append([]string{"m9.example.test:2380"}, three...)}, urls: []string{"http://10.0.0.1:2380"},
		err: []string{"a target cannot be looked up", "m9.example.test"},
	},
	"named by both services": {
		services: map[string][]string{secure: three, plain: three}, urls: []string{"http://10.0.0.1:2380"},
		err: []string{"name both https://m2.example.test:2380 and http://m2.example.test:2380"},
	},
	"named twice": {
		services: map[string][]string{plain: {"m1.example.test:1", "m1.example.test:2"}}, urls: []string{"http://10.0.0.1:1", "http://10.0.0.1:2"},
		err: []string{"name this member 2 times"},
	},
	"no address of its own": {
		services: map[string][]string{plain: three}, urls: []string{"http://nowhere.example.test:2380"},
		err: []string{"--initial-advertise-peer-urls=http://nowhere.example.test:2380", "no such host"},
	},
}

// Goal: SRV records are read as etcd reads them. Method: a DNS server on loopback with the records of each case, asked as
// one of the members.
func TestFounders(t *testing.T) {
	for name, test := range foundersTests {
		t.Run(name, func(t *testing.T) {
			resolver := dnstest.Zone{Hosts: members, Services: test.services}.Serve(t)
			founders, err := Query{
				Resolver: resolver, Domain: "example.test", Service: test.service, Name: "m", PeerURLs: test.urls, Logger: slog.New(slog.DiscardHandler),
			}.Founders(t.Context())
			if test.err != nil {
				for _, want := range test.err {
					require.ErrorContains(t, err, want)
				}
				return
			}
			require.NoError(t, err)
			var got []string
			for _, founder := range founders {
				if founder.Own {
					founder.URL += "!"
				}
				got = append(got, founder.URL)
			}
			require.ElementsMatch(t, test.want, got)
		})
	}
}

// Goal: URLs are compared by where they lead. Method: a table of pairs of lists, names from a DNS server on loopback.
func TestSameURLs(t *testing.T) {
	resolver := dnstest.Zone{Hosts: members}.Serve(t)
	tests := []struct {
		a, b string
		same bool
		err  bool
	}{
		{"http://unknown:1", "http://unknown:1/", true, false},
		{"http://m1.example.test:1", "http://10.0.0.1:1", true, false},
		{"http://m1.example.test:1", "https://10.0.0.1:1", false, false},
		{"http://m1.example.test:1", "http://10.0.0.1:2", false, false},
		{"http://m1.example.test:1,http://m3.example.test:1", "http://10.0.0.3:1,http://10.0.0.1:1", true, false},
		{"http://m1.example.test:1", "http://10.0.0.1:1,http://10.0.0.3:1", false, false},
		{"http://m9.example.test:1", "http://10.0.0.1:1", false, true},
	}
	for _, test := range tests {
		same, err := SameURLs(t.Context(), resolver, strings.Split(test.a, ","), strings.Split(test.b, ","))
		require.Equal(t, test.same, same, test)
		require.Equal(t, test.err, err != nil, test)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := SameURLs(ended, resolver, []string{"http://m1.example.test:1"}, []string{"http://10.0.0.1:1"})
	require.Error(t, err)
	require.False(t, errors.Is(err, errTarget))
}

// Package dnstest serves DNS records on loopback, for tests.
package dnstest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// Zone is a DNS server on loopback: names with their addresses, and services with their targets ("host:port").
type Zone struct {
	Hosts    map[string][]string
	Services map[string][]string
}

// Serve answers until the test ends, and returns a resolver that asks it alone.
func (z Zone) Serve(t testing.TB) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var query dnsmessage.Message
			if query.Unpack(buf[:n]) != nil {
				continue
			}
			answer, err := z.answer(query)
			if err == nil {
				_, _ = conn.WriteTo(answer, from) // whoever asked may be gone
			}
		}
	}()
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		<-done
	})
	return &net.Resolver{PreferGo: true, StrictErrors: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (z Zone) answer(query dnsmessage.Message) ([]byte, error) {
	question := query.Questions[0]
	name := strings.TrimSuffix(question.Name.String(), ".")
	answer := dnsmessage.Message{Header: dnsmessage.Header{ID: query.ID, Response: true, Authoritative: true}, Questions: query.Questions}
	header := dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET}
	_, isHost := z.Hosts[name]
	_, isService := z.Services[name]
	if !isHost && !isService {
		answer.RCode = dnsmessage.RCodeNameError
	}
	for _, text := range z.Hosts[name] {
		addr := netip.MustParseAddr(text)
		switch {
		case question.Type == dnsmessage.TypeA && addr.Is4():
			answer.Answers = append(answer.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: addr.As4()}})
		case question.Type == dnsmessage.TypeAAAA && addr.Is6():
			answer.Answers = append(answer.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}})
		}
	}
	for _, target := range z.Services[name] {
		host, port, err := net.SplitHostPort(target)
		if err != nil {
			return nil, err
		}
		var number uint16
		if _, err := fmt.Sscan(port, &number); err != nil {
			return nil, err
		}
		if question.Type == dnsmessage.TypeSRV {
			answer.Answers = append(answer.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.SRVResource{
				Target: dnsmessage.MustNewName(host + "."), Port: number,
			}})
		}
	}
	return answer.Pack()
}

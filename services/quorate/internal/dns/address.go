package dns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Resolver looks names up; *net.Resolver is one.
type Resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, addrs []*net.SRV, err error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// endpoint is what a URL or a record leads to.
type endpoint struct {
	scheme string // "" for a record
	addrs  []netip.Addr
	port   string
}

// resolve looks a host up, which may be an address.
func resolve(ctx context.Context, r Resolver, scheme, host, port string) (endpoint, error) {
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return endpoint{}, fmt.Errorf("look up %s: %w", host, err)
	}
	for i, addr := range addrs {
		addrs[i] = addr.Unmap()
	}
	return endpoint{scheme, addrs, port}, nil
}

func resolveURL(ctx context.Context, r Resolver, text string) (endpoint, error) {
	u, err := url.Parse(text)
	if err != nil {
		return endpoint{}, err
	}
	return resolve(ctx, r, u.Scheme, u.Hostname(), u.Port())
}

// meets tells whether one address and port is of both, whatever the schemes are.
func (e endpoint) meets(other endpoint) bool {
	return e.port == other.port && slices.ContainsFunc(e.addrs, func(addr netip.Addr) bool { return slices.Contains(other.addrs, addr) })
}

// SameURLs tells whether the URLs of a and b lead to the same places with the same schemes, some by name and some by address
// perhaps. It looks up nothing where they are the same texts. An error says which name could not be looked up.
func SameURLs(ctx context.Context, r Resolver, a, b []string) (bool, error) {
	a, b = distinct(a), distinct(b)
	if slices.Equal(a, b) {
		return true, nil
	}
	if len(a) != len(b) {
		return false, nil
	}
	var left, right []endpoint
	for i := range a {
		l, err := resolveURL(ctx, r, a[i])
		if err != nil {
			return false, err
		}
		rr, err := resolveURL(ctx, r, b[i])
		if err != nil {
			return false, err
		}
		left, right = append(left, l), append(right, rr)
	}
	for _, l := range left {
		i := slices.IndexFunc(right, func(e endpoint) bool { return e.scheme == l.scheme && e.meets(l) })
		if i < 0 {
			return false, nil
		}
		right = slices.Delete(right, i, i+1)
	}
	return true, nil
}

func distinct(texts []string) []string {
	made := make([]string, 0, len(texts))
	for _, text := range texts {
		made = append(made, strings.TrimSuffix(text, "/"))
	}
	slices.Sort(made)
	return slices.Compact(made)
}

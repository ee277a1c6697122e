package config

import (
	"errors"
	"net"
	"net/url"

	"github.com/quoratedb/quorate/pkg/founders"
)

// eachURL reports the URLs that do not parse or that check objects to.
func eachURL(found *problems, flag string, texts []string, check func(*url.URL) error) {
	for _, text := range texts {
		u, err := founders.ParseURL(text)
		if err == nil {
			err = check(u)
		}
		found.addError(flag, text, err)
	}
}

// CheckBind wants an address that is this host's without looking it up: a name may resolve to several, of which only
// one would be listened on.
func CheckBind(u *url.URL) error {
	if isSocket(u) || u.Hostname() == "localhost" || net.ParseIP(u.Hostname()) != nil || u.Hostname() == "" {
		return nil
	}
	return errors.New("an IP address or localhost is wanted, not a host name")
}

// CheckReachable wants a host that others can look up.
func CheckReachable(u *url.URL) error {
	if !isSocket(u) && u.Hostname() == "" {
		return errors.New("names no host")
	}
	return nil
}

func listensEverywhere(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return !isSocket(u) && (u.Hostname() == "" || ip != nil && ip.IsUnspecified())
}

// Secure tells whether a URL means TLS.
func Secure(u *url.URL) bool { return u.Scheme == "https" || u.Scheme == "unixs" }

// AnySecure tells whether one of them does.
func AnySecure(texts []string) bool {
	for _, text := range texts {
		if u, err := founders.ParseURL(text); err == nil && Secure(u) {
			return true
		}
	}
	return false
}

func isSocket(u *url.URL) bool { return u.Scheme == "unix" || u.Scheme == "unixs" }

// address is what net.Listen takes.
func address(u *url.URL) (network, address string) {
	if isSocket(u) {
		return "unix", founders.SocketPath(u)
	}
	return "tcp", u.Host
}

// LocalPeerAddress is where connections to other members come from, nil for what the host chooses: the first address in
// InitialAdvertisePeerURLs that another host can mean, as in etcd.
func (c Config) LocalPeerAddress() net.IP {
	if !c.SetMemberLocalAddr {
		return nil
	}
	for _, text := range c.InitialAdvertisePeerURLs {
		u, err := founders.ParseURL(text)
		if err != nil || isSocket(u) {
			continue
		}
		if ip := net.ParseIP(u.Hostname()); ip != nil && !ip.IsLoopback() && !ip.IsUnspecified() {
			return ip
		}
	}
	return nil
}

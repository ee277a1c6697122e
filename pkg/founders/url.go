package founders

import (
	"errors"
	"fmt"
	"net"
	"net/url"
)

// ParseURL reads an address to listen on or to be reached at. It accepts what etcd accepts.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("is not a URL")
	}
	switch u.Scheme {
	case "http", "https":
		if _, _, err := net.SplitHostPort(u.Host); err != nil {
			return nil, fmt.Errorf(`does not have the form "%s://host:port"`, u.Scheme)
		}
		if u.Path != "" {
			return nil, errors.New("must not have a path")
		}
	case "unix", "unixs":
		if SocketPath(u) == "" {
			return nil, errors.New("names no socket")
		}
	default:
		return nil, errors.New("must begin with http, https, unix or unixs")
	}
	return u, nil
}

// SocketPath is relative for unix://name, which etcd writes as unix://host:port, and absolute for unix:///path.
func SocketPath(u *url.URL) string { return u.Host + u.Path }

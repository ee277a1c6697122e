package config

import (
	"errors"
	"strings"
	"time"
)

// Discovery says where founding members meet that do not know each other: in another cluster, of etcd or of this store,
// below a key that ends in Token. Without Endpoints there is none.
type Discovery struct {
	Endpoints []string
	Token     string

	// DialTimeout is for logging in, RequestTimeout for each call. A connection that is silent for KeepAliveTime is pinged,
	// and dropped KeepAliveTimeout later.
	DialTimeout      time.Duration
	RequestTimeout   time.Duration
	KeepAliveTime    time.Duration
	KeepAliveTimeout time.Duration

	// InsecureTransport leaves TLS out where no file asks for it. InsecureSkipVerify takes any certificate.
	InsecureTransport  bool
	InsecureSkipVerify bool
	CertFile           string
	KeyFile            string
	CAFile             string

	// User may hold the password too, behind a colon, where Password is empty.
	User     string
	Password string
}

func (d Discovery) check(found *problems) {
	if (d.Token != "") != (len(d.Endpoints) > 0) {
		*found = append(*found, errors.New("both --discovery-token and --discovery-endpoints must be set"))
	}
	for _, endpoint := range d.Endpoints {
		if strings.TrimSpace(endpoint) == "" {
			*found = append(*found, errors.New("--discovery-endpoints must not contain empty endpoints"))
		}
	}
	if (d.CertFile == "") != (d.KeyFile == "") {
		found.add("discovery-cert", d.CertFile, "is needed with --discovery-key=%s, both or neither", d.KeyFile)
	}
	if d.User != "" && d.Password == "" && !strings.Contains(d.User, ":") {
		found.add("discovery-user", d.User, "needs --discovery-password")
	}
	for _, each := range []struct {
		flag  string
		value time.Duration
	}{
		{"discovery-dial-timeout", d.DialTimeout},
		{"discovery-request-timeout", d.RequestTimeout},
		{"discovery-keepalive-time", d.KeepAliveTime},
		{"discovery-keepalive-timeout", d.KeepAliveTimeout},
	} {
		if len(d.Endpoints) > 0 && each.value <= 0 {
			found.add(each.flag, each.value, "must be above zero")
		}
	}
}

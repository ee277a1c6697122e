package commandline

import (
	"flag"

	"github.com/quoratedb/quorate/pkg/flagset"
	"github.com/quoratedb/quorate/services/quorate/config"
)

// RegisterDiscovery adds all flags to fs that say how founding members find each other without a list. They write to c.
func RegisterDiscovery(fs *flag.FlagSet, c *config.Config) {
	d := &c.Discovery
	fs.StringVar(&c.DiscoverySRV, "discovery-srv", "", "DNS domain whose SRV records (_etcd-server-ssl._tcp, _etcd-server._tcp) name the founding members.")
	fs.StringVar(&c.DiscoverySRVName, "discovery-srv-name", "", "Service name behind those of the SRV records, after a dash.")
	fs.Var(flagset.ListOf(&d.Endpoints), "discovery-endpoints", "Endpoints of the cluster in which the founding members meet.")
	fs.StringVar(&d.Token, "discovery-token", "", "Token that they meet under, also the cluster's token. Whoever sets up the meeting puts /_etcd/registry/TOKEN/_config/size there.")
	fs.DurationVar(&d.DialTimeout, "discovery-dial-timeout", d.DialTimeout, "How long logging in to the meeting place may take.")
	fs.DurationVar(&d.RequestTimeout, "discovery-request-timeout", d.RequestTimeout, "How long a call to the meeting place may take.")
	fs.DurationVar(&d.KeepAliveTime, "discovery-keepalive-time", d.KeepAliveTime, "How long a connection to the meeting place is silent before it is pinged.")
	fs.DurationVar(&d.KeepAliveTimeout, "discovery-keepalive-timeout", d.KeepAliveTimeout, "How long the answer to that ping may take.")
	fs.BoolVar(&d.InsecureTransport, "discovery-insecure-transport", d.InsecureTransport, "Call the meeting place without TLS, unless a certificate is named.")
	fs.BoolVar(&d.InsecureSkipVerify, "discovery-insecure-skip-tls-verify", false, "Take any certificate of the meeting place.")
	fs.StringVar(&d.CertFile, "discovery-cert", "", "Certificate shown to the meeting place, PEM.")
	fs.StringVar(&d.KeyFile, "discovery-key", "", "Key of --discovery-cert, PEM.")
	fs.StringVar(&d.CAFile, "discovery-cacert", "", "Authorities that vouch for the meeting place, PEM.")
	fs.StringVar(&d.User, "discovery-user", "", "User of the meeting place.")
	fs.StringVar(&d.Password, "discovery-password", "", "Password of --discovery-user.")
}

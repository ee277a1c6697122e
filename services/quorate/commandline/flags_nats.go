package commandline

import (
	"flag"

	"github.com/quoratedb/quorate/services/quorate/config"
)

// registerNATS adds the flags for users' NATS clients. They write to n.
func registerNATS(fs *flag.FlagSet, n *config.NATS) {
	fs.StringVar(&n.Listen, "nats-listen", "", "host:port where NATS clients may subscribe to events. Empty means nowhere.")
	fs.StringVar(&n.User, "nats-user", "", "User that NATS clients must be. Empty lets anybody in.")
	fs.StringVar(&n.Password, "nats-password", "", "Password of --nats-user. Other users of this host can see flags: better set QUORATE_NATS_PASSWORD.")
	fs.StringVar(&n.TLS.CertFile, "nats-cert-file", "", "Certificate shown to NATS clients, PEM. Without it they speak plain TCP.")
	fs.StringVar(&n.TLS.KeyFile, "nats-key-file", "", "Key of --nats-cert-file, PEM.")
}

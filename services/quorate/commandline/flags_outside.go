package commandline

import (
	"flag"

	"github.com/quoratedb/quorate/services/quorate/config"
)

// RegisterOutside adds the flags about who else than the store is believed about who somebody is. They write to c.
func RegisterOutside(fs *flag.FlagSet, c *config.Config) {
	o := &c.Outside.OIDC
	fs.StringVar(&o.Issuer, "auth-oidc-issuer", o.Issuer, "https URL of an OpenID Connect issuer whose tokens show who somebody is. Empty means none.")
	fs.StringVar(&o.Audience, "auth-oidc-audience", o.Audience, "Whom tokens of --auth-oidc-issuer must be made for.")
	fs.StringVar(&o.UsernameClaim, "auth-oidc-username-claim", o.UsernameClaim, "Claim with the name.")
	fs.StringVar(&o.UsernamePrefix, "auth-oidc-username-prefix", o.UsernamePrefix, "What goes before such names. Empty means that they are users of the store, with the roles that these have.")
	fs.StringVar(&o.GroupsClaim, "auth-oidc-groups-claim", o.GroupsClaim, "Claim with the groups, which bring roles. Empty means that tokens bring none.")
	fs.StringVar(&o.RoleMapFile, "auth-oidc-role-map", o.RoleMapFile, "YAML file with the roles of each group. Empty means that groups are roles of the same name.")
	fs.StringVar(&c.Outside.SPIFFEUsersFile, "auth-spiffe-users", c.Outside.SPIFFEUsersFile, "YAML file with the users of SPIFFE ids in clients' certificates, with --client-cert-auth: spiffe://domain/path, or spiffe://domain/path/* for all below.")
}

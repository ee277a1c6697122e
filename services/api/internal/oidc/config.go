package oidc

import (
	"errors"
	"fmt"
	"net"
	"net/url"
)

// DefaultUsernamePrefix keeps names from outside apart from those of users here.
const DefaultUsernamePrefix = "oidc:"

// Config says whose tokens count, and what is taken from them. The zero value lets none count. The fields are those of the flags that begin with
// auth-oidc-.
type Config struct {
	Issuer   string
	Audience string
	// UsernameClaim is the claim with the name; UsernamePrefix goes before it. Without a prefix a name is that of a user here, with this
	// user's roles.
	UsernameClaim, UsernamePrefix string
	// GroupsClaim is the claim with the groups, empty for none. RoleMapFile says which roles they bring; without it they are roles' names.
	GroupsClaim, RoleMapFile string
}

// Default is what counts unless it is said otherwise.
func Default() Config {
	return Config{UsernameClaim: "sub", UsernamePrefix: DefaultUsernamePrefix}
}

// On tells whether there is an issuer.
func (c Config) On() bool { return c.Issuer != "" }

// Validate tells what is wrong with the settings, each under its flag. It opens no file and asks no issuer.
func (c Config) Validate() error {
	var problems []error
	wrong := func(flag, value, text string) {
		problems = append(problems, fmt.Errorf("--auth-oidc-%s=%s: %s", flag, value, text))
	}
	if !c.On() {
		for _, unused := range []struct{ flag, value string }{
			{"audience", c.Audience}, {"groups-claim", c.GroupsClaim}, {"role-map", c.RoleMapFile},
		} {
			if unused.value != "" {
				wrong(unused.flag, unused.value, "has no effect without --auth-oidc-issuer")
			}
		}
		return errors.Join(problems...)
	}
	if err := checkIssuer(c.Issuer); err != nil {
		wrong("issuer", c.Issuer, err.Error())
	}
	if c.Audience == "" {
		wrong("audience", "", "is needed: without it a token that the issuer made for somebody else would count here")
	}
	if c.UsernameClaim == "" {
		wrong("username-claim", "", "is needed, such as sub or email")
	}
	if c.RoleMapFile != "" && c.GroupsClaim == "" {
		wrong("role-map", c.RoleMapFile, "has no effect without --auth-oidc-groups-claim")
	}
	if c.GroupsClaim != "" && c.UsernamePrefix == "" {
		wrong("groups-claim", c.GroupsClaim, "has no effect without --auth-oidc-username-prefix: names without a prefix are users here, with the roles that they have here")
	}
	return errors.Join(problems...)
}

// checkIssuer wants https, but on this host.
func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return errors.New("has not the form https://host/path")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return errors.New("must begin with https: whoever can change what the issuer says can be anybody")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Check tells what is wrong with the file that the settings name.
func (c Config) Check() error {
	if !c.On() {
		return nil
	}
	_, err := c.roleMap()
	return err
}

// Package spiffe says which users the SPIFFE ids of client certificates are. It verifies no certificate: TLS has done so.
package spiffe

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/quoratedb/quorate/pkg/boundedfile"
	"github.com/quoratedb/quorate/pkg/yamldoc"
)

const scheme = "spiffe"

// Users are the users of SPIFFE ids.
type Users struct {
	// exact ids, and those that end with "/*", without the star, for all ids below.
	exact, below map[string]string
}

// Load reads a file for New. Errors name the flag.
func Load(file string) (*Users, error) {
	text, err := boundedfile.Read(file)
	if err != nil {
		return nil, fmt.Errorf("--auth-spiffe-users: %w", err)
	}
	users, err := New(text)
	if err != nil {
		return nil, fmt.Errorf("--auth-spiffe-users=%s: %w", file, err)
	}
	return users, nil
}

// New reads a YAML mapping from ids to users: spiffe://domain/path, or spiffe://domain/path/* for all ids below. An error names the line.
func New(text []byte) (*Users, error) {
	top, err := yamldoc.Parse(text)
	switch {
	case err != nil:
		return nil, err
	case top == nil:
		return nil, errors.New("line 1: it has no ids")
	case top.Kind != yaml.MappingNode:
		return nil, fmt.Errorf("line %d: a mapping from ids to users is wanted", top.Line)
	}
	u := &Users{exact: make(map[string]string), below: make(map[string]string)}
	for i := 0; i < len(top.Content); i += 2 {
		if err := u.add(top.Content[i], top.Content[i+1]); err != nil {
			return nil, err
		}
	}
	return u, nil
}

func (u *Users) add(id, user *yaml.Node) error {
	if user.Kind != yaml.ScalarNode || user.Value == "" || user.Tag == "!!null" {
		return fmt.Errorf("line %d: the name of a user is wanted", user.Line)
	}
	text, all := strings.CutSuffix(id.Value, "/*")
	parsed, err := url.Parse(text)
	if err != nil || !isID(parsed) || !all && parsed.Path == "" || strings.HasSuffix(text, "/") || strings.Contains(text, "*") {
		return fmt.Errorf("line %d: %q is no SPIFFE id: spiffe://domain/path is wanted, or spiffe://domain/path/* for all ids below", id.Line, id.Value)
	}
	to, key := u.exact, parsed.String()
	if all {
		to, key = u.below, key+"/"
	}
	if _, twice := to[key]; twice {
		return fmt.Errorf("line %d: %q is there twice", id.Line, id.Value)
	}
	to[key] = user.Value
	return nil
}

// isID tells whether a URI has the form of an id.
func isID(u *url.URL) bool {
	return u.Scheme == scheme && u.Host != "" && u.Port() == "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" && u.Opaque == ""
}

// Of returns the user of a certificate's id. known is false for a certificate without one. One whose id nobody has, or that has several
// URIs, which no SPIFFE certificate has, is nobody's: its name is empty.
func (u *Users) Of(certificate *x509.Certificate) (name string, known bool) {
	var id *url.URL
	for _, uri := range certificate.URIs {
		if uri.Scheme == scheme {
			id = uri
		}
	}
	switch {
	case id == nil:
		return "", false
	case len(certificate.URIs) != 1 || !isID(id):
		return "", true
	}
	text := id.String()
	if name, ok := u.exact[text]; ok {
		return name, true
	}
	for at := strings.LastIndexByte(text, '/'); at > len(scheme+"://"); at = strings.LastIndexByte(text[:at], '/') {
		if name, ok := u.below[text[:at+1]]; ok {
			return name, true
		}
	}
	return "", true
}

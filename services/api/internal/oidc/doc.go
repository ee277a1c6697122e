// Package oidc knows the tokens of one OpenID Connect issuer: whose they are, and which roles they bring. It verifies, and never logs
// anybody in: how clients come by tokens is between them and the issuer.
package oidc

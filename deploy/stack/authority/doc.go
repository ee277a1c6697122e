// Package authority is a certificate authority for development: it makes, once, what the services of one stack need to know each
// other by, and renews it. Whoever can read its directory can make certificates that the stack trusts, and nothing is ever revoked.
package authority

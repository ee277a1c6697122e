// Package certs makes a certificate authority for the members and clients of one run, and their certificates.
package certs

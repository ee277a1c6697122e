// Package nats follows a server as a user's NATS client does. Mirror is the example of docs/nats.md.
package nats

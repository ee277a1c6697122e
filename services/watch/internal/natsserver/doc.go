// Package natsserver sets the embedded NATS server up: whom it lets in and how much each may cost, the routes to the servers of
// other watch nodes, and the listener for users. It does not know what is published.
package natsserver

// Package node runs a node of services that run apart: the listener on which services serve each other, with mutual TLS or
// without, health and metrics, and the order of starting and stopping. What a node serves is its role's business, what it is
// told package settings', and how it is a command package program's.
package node

// Package kubernetes runs Kubernetes' own API server with its objects in a store: what it says of the manifests in deploy, and whether its clients see
// what they did, and see it happen. No nodes are there, so that no pod runs.
package kubernetes

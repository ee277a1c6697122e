//go:build peers

// This file is never built: it lets go mod tidy record what etcd's own suite needs.
package main

import (
	_ "go.etcd.io/etcd/tests/v3/framework/e2e"
	_ "go.etcd.io/etcd/tests/v3/framework/integration"
	_ "go.etcd.io/etcd/tests/v3/robustness/report"
)

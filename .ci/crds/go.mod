// The types of cert-manager and of the Prometheus operator, for make kubernetes: their files of custom resources are read, nothing is built.
module github.com/quoratedb/quorate/ci/crds

go 1.26.8

require (
	github.com/cert-manager/cert-manager v1.21.2 // indirect
	github.com/prometheus-operator/prometheus-operator v0.85.0 // indirect
)

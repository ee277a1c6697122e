// Package otlp has the spans of a process exported to an OpenTelemetry collector over gRPC, a part of them, as etcd's flags say. The export is
// OpenTelemetry's own; what speaks gRPC to the collector is Connect, which every program links already: OpenTelemetry's client would
// bring grpc-go and its gateway into those that have neither.
package otlp

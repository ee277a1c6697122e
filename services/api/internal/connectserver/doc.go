// Package connectserver serves etcd's services over Connect, gRPC-Web and, for clients that share a connection with
// those, gRPC: generated handlers around the same methods that grpc-go calls. It is the thin layer that makes one look
// like the other, for contexts, streams and errors; it implements no method.
package connectserver

// Package api is the API service: every wire that clients speak, on one endpoint, in front of the other services. It
// serves gRPC by grpc-go and everything else by net/http, sorts connections between the two, answers health questions
// and stops in order. It keeps no state of its own, so that any number of them may run in front of one store.
package api

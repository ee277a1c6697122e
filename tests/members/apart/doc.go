// Package apart tests the four services as processes of their own on this machine: three members, two lease nodes, two
// watch nodes and two API nodes, as clients see them, while each of them is killed and paused in turn.
//
// TestClients runs clientv3's suite against one of the API nodes. To run any other black-box suite against such a store,
// name an API node in QUORATE_TEST_ENDPOINT.
package apart

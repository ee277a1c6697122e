// Package calls watches over the calls of every protocol: it counts them under the names that etcd's dashboards know,
// knows how many are under way, and ends the streams when the server stops. It does not look into messages.
package calls

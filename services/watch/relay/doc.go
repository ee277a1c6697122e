// Package relay is the watch service as an API node sees it where it runs on other nodes. It spreads the watches of its
// clients over the watch nodes, moves them when a node dies, comes or goes, and gives each client a session that notices
// nothing of that. It is no watch node: it does not match, and stores nothing.
package relay

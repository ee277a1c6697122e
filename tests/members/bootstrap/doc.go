// Package bootstrap tests how clusters begin and begin anew, with real processes: members that meet in a registry of either
// program's, one that is forced to go on alone, and one that comes back without its data.
package bootstrap

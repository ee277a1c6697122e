// Package v2ctl tests the words of quoratectl that speak the v2 API: what they print, and their exit codes. What the API behind
// them does is tested in package v2.
package v2ctl

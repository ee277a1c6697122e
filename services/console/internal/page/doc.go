// Package page serves the console's files to browsers, and keeps strange pages away from what the console can do. It knows nothing of
// the store.
package page

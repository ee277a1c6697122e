// Package externalsort orders records by key in bounded memory: what does not fit goes to a temporary file, one sorted run after
// another, and all runs are merged. It does not know what keys and values mean.
package externalsort

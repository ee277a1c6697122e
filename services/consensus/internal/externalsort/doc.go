// Package externalsort orders records by key in bounded memory: what does not fit goes to a temporary file, one sorted run after
// another, and is merged from there. It does not know what keys and values mean.
package externalsort

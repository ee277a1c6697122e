// Package web holds the built files of the console, as they are served.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var built embed.FS

// Dist are the files of the build, index.html among them.
func Dist() fs.FS {
	dist, err := fs.Sub(built, "dist")
	if err != nil {
		panic(err) // the name is valid
	}
	return dist
}

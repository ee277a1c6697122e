package main

import (
	"fmt"
	"io"
	"runtime"

	etcd "go.etcd.io/etcd/api/v3/version"

	"github.com/quoratedb/quorate/pkg/buildinfo"
	"github.com/quoratedb/quorate/pkg/buildversion"
)

// version is the program's own; the build sets it.
var version string

// writeVersion writes the version of etcd whose API is served, in etcd's own words because programs look for them, and
// the program's own.
func writeVersion(w io.Writer) error {
	_, err := fmt.Fprintf(w, "etcd Version: %s\nGit SHA: %s\nGo Version: %s\nGo OS/Arch: %s/%s\nQuorate Version: %s\n",
		etcd.Version, buildinfo.Revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH, buildversion.Of(version))
	return err
}

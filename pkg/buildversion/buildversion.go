// Package buildversion tells which version of a program runs. It knows no program.
package buildversion

import (
	"cmp"
	"runtime/debug"
)

// unknown is the version of a program that was built from files, by somebody who did not say which they were.
const unknown = "unknown"

// Of returns what the build has stamped on a program, or where it has stamped nothing the version of the module that `go install` was asked for,
// as in v1.2.3; "unknown" where there is neither.
func Of(stamped string) string {
	info, _ := debug.ReadBuildInfo()
	return of(stamped, info)
}

func of(stamped string, info *debug.BuildInfo) string {
	if stamped != "" || info == nil || info.Main.Version == "(devel)" {
		return cmp.Or(stamped, unknown)
	}
	return cmp.Or(info.Main.Version, unknown)
}

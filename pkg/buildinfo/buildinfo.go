// Package buildinfo tells which commit a program was built of, as Go's tools have noted it.
package buildinfo

import (
	"runtime/debug"
	"sync"
)

// Unknown is told where the tools have noted nothing.
const Unknown = "unknown"

// Revision returns the commit's hash.
var Revision = sync.OnceValue(func() string {
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range build.Settings {
			if setting.Key == "vcs.revision" {
				return setting.Value
			}
		}
	}
	return Unknown
})

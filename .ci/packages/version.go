package main

import (
	"fmt"
	"regexp"
	"strings"
)

var describedAs = regexp.MustCompile(`^v(\d+\.\d+\.\d+)(?:-([0-9A-Za-z.]+))??(?:-(\d+)-g([0-9a-f]+))?$`)

// packageVersion makes of what git describe says a version that package managers order as the history does:
//
//	v1.2.3             1.2.3
//	v1.2.3-rc.1        1.2.3~rc.1               before 1.2.3
//	v1.2.3-4-gabcdef   1.2.3+4.gabcdef          after 1.2.3
//	abcdef             0.0.0+COMMITS.gabcdef    no tag is in the history
//
// What was not committed makes it end in .dirty.
func packageVersion(described string, commits int) string {
	committed, dirty := strings.CutSuffix(described, "-dirty")
	version := fmt.Sprintf("0.0.0+%d.g%s", commits, committed)
	if parts := describedAs.FindStringSubmatch(committed); parts != nil {
		version = parts[1]
		if parts[2] != "" {
			version += "~" + parts[2]
		}
		if parts[3] != "" {
			version += "+" + parts[3] + ".g" + parts[4]
		}
	}
	if dirty {
		version += ".dirty"
	}
	return version
}

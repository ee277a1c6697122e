package main

import "testing"

// Goal: versions of packages are what package managers take, in the order of the history. Method: a table.
func TestPackageVersion(t *testing.T) {
	for described, want := range map[string]string{
		"v1.2.3":                 "1.2.3",
		"v1.2.3-rc.1":            "1.2.3~rc.1",
		"v1.2.3-4-gabcdef":       "1.2.3+4.gabcdef",
		"v1.2.3-rc.1-4-gabcdef":  "1.2.3~rc.1+4.gabcdef",
		"v1.2.3-4-gabcdef-dirty": "1.2.3+4.gabcdef.dirty",
		"abcdef0":                "0.0.0+812.gabcdef0",
		"unknown":                "0.0.0+812.gunknown",
	} {
		if got := packageVersion(described, 812); got != want {
			t.Errorf("%s: %s, want %s", described, got, want)
		}
	}
}

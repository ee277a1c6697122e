//go:build !linux

package budget

// ReleaseProgram does nothing here.
func ReleaseProgram() error { return nil }

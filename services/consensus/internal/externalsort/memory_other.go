//go:build !linux

package externalsort

// adviseLarge does nothing where nobody knows how.
func adviseLarge([]byte) {}

//go:build !linux

package auditlog

import "os"

// allocate keeps no room here: a full disk shows when a line is written, and in the answers from then on.
func allocate(*os.File, int64, int64) error { return nil }

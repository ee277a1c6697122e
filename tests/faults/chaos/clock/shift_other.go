//go:build !(linux && amd64)

package clock

import (
	"errors"
	"time"
)

// Shift is not possible here.
func Shift(int, time.Duration) error { return errors.ErrUnsupported }

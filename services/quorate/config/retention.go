package config

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// retentionHoursMax is what a duration can hold.
const retentionHoursMax = int64(math.MaxInt64 / time.Hour)

// Retention says what auto-compaction keeps: what is younger than age, or so many revisions, or everything if both are 0.
func (c Config) Retention() (age time.Duration, revisions int64, err error) {
	text := c.AutoCompactionRetention
	fail := func(why string) (time.Duration, int64, error) {
		return 0, 0, fmt.Errorf("--auto-compaction-retention=%s: %s", text, why)
	}
	number, numberErr := strconv.ParseInt(text, 10, 64)
	switch c.AutoCompactionMode {
	case CompactRevision:
		if numberErr != nil || number < 0 {
			return fail("a number of revisions is wanted, as --auto-compaction-mode=revision")
		}
		return 0, number, nil
	case CompactPeriodic:
		if numberErr == nil {
			if number < 0 || number > retentionHoursMax {
				return fail("the number of hours is out of range")
			}
			return time.Duration(number) * time.Hour, 0, nil
		}
		age, err := time.ParseDuration(text)
		if err != nil || age < 0 {
			return fail("a duration such as 10m or 1h30m is wanted, or a number of hours")
		}
		return age, 0, nil
	default:
		return 0, 0, fmt.Errorf("--auto-compaction-mode=%s: is %q or %q", c.AutoCompactionMode, CompactPeriodic, CompactRevision)
	}
}

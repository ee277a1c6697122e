package auditlog

import "fmt"

// Level is how much is written of a request. What is refused, or ended because a right is gone, is written at every level, unless a rule of
// the policy says none for it.
type Level int

// The levels, each with all of the one before.
const (
	LevelNone     Level = iota // only refusals
	LevelMetadata              // who, from where, what, the ranges, and what came of it
	LevelRequest               // sizes, leases, and values as what a secret key makes of them
)

// levels are the names of the levels, by their number.
var levels = []string{"none", "metadata", "request"}

func (l Level) String() string { return levels[l] }

// ParseLevel returns the level of a name.
func ParseLevel(text string) (Level, error) {
	for i, name := range levels {
		if name == text {
			return Level(i), nil
		}
	}
	return 0, fmt.Errorf("%q is no level: none, metadata or request", text)
}

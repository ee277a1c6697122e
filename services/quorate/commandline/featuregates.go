package commandline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// idleGates are etcd's feature gates that switch nothing here.
var idleGates = []string{
	"AllAlpha", "AllBeta", "CompactHashCheck", "FastLeaseKeepAlive", "LeaseCheckpoint", "LeaseCheckpointPersist",
	"PriorityRequest", "StopGRPCServiceOnDefrag", "TxnModeWriteWithSharedBuffer",
}

// gates is the flag.Value of --feature-gates: Name=true,Name=false. Setting it adds to what was set.
type gates struct {
	initialCheck *bool
	localAddress *bool
	given, idle  []string
}

// Set implements flag.Value. As in etcd, an unknown gate is an error.
func (g *gates) Set(text string) error {
	for pair := range strings.SplitSeq(text, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		on, err := strconv.ParseBool(value)
		switch {
		case err != nil:
			return fmt.Errorf("invalid value of %s, it is true or false", pair)
		case name == "InitialCorruptCheck":
			*g.initialCheck = on
		case name == "SetMemberLocalAddr":
			*g.localAddress = on
		case slices.Contains(idleGates, name):
			g.idle = append(g.idle, name)
		default:
			return fmt.Errorf("unrecognized feature gate: %s", name)
		}
		g.given = append(g.given, pair)
	}
	return nil
}

func (g *gates) String() string { return strings.Join(g.given, ",") }

// warnings say what was given and switches nothing.
func (g *gates) warnings() (warnings []string) {
	for _, name := range g.idle {
		reason := noGates
		if name == "CompactHashCheck" {
			reason = noHashCheck
		}
		warnings = append(warnings, fmt.Sprintf("--feature-gates: %s has no effect: %s", name, reason))
	}
	return warnings
}

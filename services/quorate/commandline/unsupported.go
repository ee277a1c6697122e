package commandline

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// kind is what a flag without meaning may be set to: a wrong value is an error in etcd, and stays one.
type kind int

const (
	text kind = iota
	boolean
	number
	duration
)

// unsupported is a flag of etcd's that has no meaning here. Setting it gives a warning, so that etcd's command lines
// start this program unchanged; where dropping it silently would be dangerous, anything but harmless is refused.
type unsupported struct {
	name     string
	kind     kind
	harmless []string // refuse every other value; nil refuses none
	oneOf    []string // what there is to choose from, as in etcd; nil is anything
	reason   string
}

const (
	noV2Discovery = "discovery by etcd's v2 API is gone in etcd too: use --discovery-token with --discovery-endpoints, or --discovery-srv"
	noBolt        = "it tunes a database that is not used here"
	noHashCheck   = "members compare hashes of what they applied all the time"
	noProxy       = "etcd's v2 proxy is gone in etcd too"
	noGates       = "feature gates switch parts of etcd that do not exist here"
	longGone      = "etcd itself ignores it"
)

var unsupportedTable = []unsupported{
	{name: "max-snapshots", kind: number, reason: "there are no snapshot files"},
	{name: "max-wals", kind: number, reason: "the log drops what is applied by itself"},
	{name: "snapshot-catchup-entries", kind: number, reason: "--snapshot-count says how many entries are kept"},
	{name: "memory-mlock", kind: boolean, reason: "no data is mapped into memory"},
	{name: "backend-bbolt-freelist-type", reason: noBolt},
	{name: "backend-batch-interval", kind: duration, reason: noBolt},
	{name: "backend-batch-limit", kind: number, reason: noBolt},
	{name: "bootstrap-defrag-threshold-megabytes", kind: number, reason: "nothing needs defragmentation"},
	{name: "socket-reuse-port", kind: boolean, reason: "two servers on one port would share its clients by chance"},
	{name: "socket-reuse-address", kind: boolean, reason: "it is always on"},

	{name: "initial-election-tick-advance", kind: boolean, reason: "elections are quick without it"},
	{name: "raft-read-timeout", kind: duration, reason: "a silent stream between members ends after an election timeout"},
	{name: "raft-write-timeout", kind: duration, reason: "a stuck stream between members ends after an election timeout"},
	{name: "pre-vote", kind: boolean, reason: "it is always on"},
	{name: "max-learners", kind: number, reason: "up to 16 learners are allowed"},
	{name: "peer-skip-client-san-verification", kind: boolean, reason: "certificates are not compared with addresses"},

	{name: "discovery", harmless: []string{""}, reason: noV2Discovery},
	{name: "discovery-fallback", reason: "the member ends where discovery fails"},
	{name: "discovery-proxy", reason: noV2Discovery},

	{name: "client-cert-file", reason: "the server never calls itself"},
	{name: "client-key-file", reason: "the server never calls itself"},

	{name: "compact-hash-check-time", kind: duration, reason: noHashCheck},
	{name: "compaction-batch-limit", kind: number, reason: "a compaction stops nobody, whatever its size"},
	{name: "compaction-sleep-interval", kind: duration, reason: "a compaction stops nobody, whatever its size"},
	{name: "downgrade-check-time", kind: duration, reason: "there are no versions of the cluster to downgrade to"},
	{name: "v2-deprecation", oneOf: []string{"write-only", "write-only-skip-check", "write-only-drop-data", "gone"}, reason: "--enable-v2 says whether v2 is served, and no data of etcd's v2 store is kept"},
	{name: "unsafe-no-fsync", kind: boolean, reason: "every acknowledged write is synced"},

	{name: "proxy", harmless: []string{"", "off"}, reason: noProxy},
	{name: "proxy-failure-wait", kind: number, reason: noProxy},
	{name: "proxy-refresh-interval", kind: number, reason: noProxy},
	{name: "proxy-dial-timeout", kind: number, reason: noProxy},
	{name: "proxy-write-timeout", kind: number, reason: noProxy},
	{name: "proxy-read-timeout", kind: number, reason: noProxy},
	{name: "cluster-active-size", reason: longGone},
	{name: "cluster-remove-delay", reason: longGone},
	{name: "cluster-sync-interval", reason: longGone},
	{name: "config", reason: longGone},
	{name: "force", kind: boolean, reason: longGone},
	{name: "max-result-buffer", reason: longGone},
	{name: "max-retry-attempts", reason: longGone},
	{name: "peer-heartbeat-interval", reason: longGone},
	{name: "peer-election-timeout", reason: longGone},
	{name: "retry-interval", reason: longGone},
	{name: "snapshot", kind: boolean, reason: longGone},
	{name: "v", kind: boolean, reason: longGone},
	{name: "vv", kind: boolean, reason: longGone},
	{name: "test.coverprofile", reason: longGone},
	{name: "test.outputdir", reason: longGone},

	{name: "experimental-compact-hash-check-enabled", kind: boolean, reason: noHashCheck},
	{name: "experimental-enable-lease-checkpoint", kind: boolean, reason: noGates},
	{name: "experimental-enable-lease-checkpoint-persist", kind: boolean, reason: noGates},
	{name: "experimental-txn-mode-write-with-shared-buffer", kind: boolean, reason: noGates},
	{name: "experimental-stop-grpc-service-on-defrag", kind: boolean, reason: "nothing needs defragmentation"},
	{name: "experimental-set-member-localaddr", kind: boolean, reason: "members are told apart by id, not by address"},
}

// unsupportedFlag is the flag.Value of such a flag.
type unsupportedFlag struct {
	unsupported
	given bool
	value string
}

// unsupportedFlags are those of one command line.
type unsupportedFlags []*unsupportedFlag

// register adds a flag for each row of the table.
func (u *unsupportedFlags) register(fs *flag.FlagSet) {
	for _, row := range unsupportedTable {
		value := &unsupportedFlag{unsupported: row}
		*u = append(*u, value)
		fs.Var(value, row.name, "Has no effect: "+row.reason+".")
	}
}

// given says which of them were set: warnings, and an error for those that must not be dropped.
func (u unsupportedFlags) given() (warnings []string, refused error) {
	var problems []error
	for _, f := range u {
		switch {
		case !f.given:
		case f.refuses():
			problems = append(problems, fmt.Errorf("--%s=%s cannot be honoured: %s", f.name, f.value, f.reason))
		default:
			warnings = append(warnings, fmt.Sprintf("--%s has no effect: %s", f.name, f.reason))
		}
	}
	return warnings, errors.Join(problems...)
}

func (f *unsupportedFlag) refuses() bool {
	for _, value := range f.harmless {
		if f.value == value {
			return false
		}
	}
	return f.harmless != nil
}

func (f *unsupportedFlag) Set(value string) error {
	var err error
	switch f.kind {
	case boolean:
		_, err = strconv.ParseBool(value)
	case number:
		_, err = strconv.ParseInt(value, 0, 64)
	case duration:
		_, err = time.ParseDuration(value)
	case text:
	}
	if err != nil {
		return errors.New("parse error")
	}
	if f.oneOf != nil && !slices.Contains(f.oneOf, value) {
		return fmt.Errorf("it is one of %q", f.oneOf)
	}
	f.given, f.value = true, value
	return nil
}

func (f *unsupportedFlag) String() string { return f.value }

// IsBoolFlag lets a boolean flag stand without a value.
func (f *unsupportedFlag) IsBoolFlag() bool { return f.kind == boolean }

// Get shows a duration to be one: a file writes it as a number of nanoseconds.
func (f *unsupportedFlag) Get() any {
	if f.kind == duration {
		return time.Duration(0)
	}
	return f.value
}

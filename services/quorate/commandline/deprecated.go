package commandline

import "flag"

// deprecated are the names that flags had in etcd 3.5 and 3.6. What starts those versions (kubeadm's manifests, for one)
// still uses them. A flag is known by "experimental-" before its name.
var deprecated = []string{
	"backend-bbolt-freelist-type",
	"bootstrap-defrag-threshold-megabytes",
	"compact-hash-check-time",
	"compaction-batch-limit",
	"compaction-sleep-interval",
	"corrupt-check-time",
	"distributed-tracing-address",
	"distributed-tracing-instance-id",
	"distributed-tracing-sampling-rate",
	"distributed-tracing-service-name",
	"downgrade-check-time",
	"enable-distributed-tracing",
	"max-learners",
	"memory-mlock",
	"peer-skip-client-san-verification",
	"snapshot-catchup-entries",
	"warning-apply-duration",
	"warning-unary-request-duration",
	"watch-progress-notify-interval",
}

// registerDeprecated adds them, each with the value of the flag that has the name of today.
func registerDeprecated(fs *flag.FlagSet) {
	for _, name := range deprecated {
		fs.Var(fs.Lookup(name).Value, "experimental-"+name, "Former name of --"+name+".")
	}
}

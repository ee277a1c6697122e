// Package commandline makes a config.Config of what an operator wrote: etcd's flags, ETCD_* and QUORATE_* variables,
// or etcd's YAML file. It starts nothing and opens nothing but the file. Programs of services that run apart read theirs
// the same way (Read), and share the flags that mean the same (Register).
//
// Precedence is etcd's, except for what is said about prefixes. With --config-file (or its variable) the file alone
// counts; flags and variables beside it are reported as ignored. Without it flags and variables count, and setting one
// thing by both is an error. A QUORATE_* variable wins over the ETCD_* variable of the same flag. A QUORATE_DEFAULT_* variable,
// as images have, is that flag's default: flags and other variables win over it, and a file alone counts.
package commandline

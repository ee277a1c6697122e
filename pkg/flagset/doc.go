// Package flagset fills a standard flag.FlagSet from the places where an operator may set things: the environment and
// a YAML file, beside the command line, which the FlagSet parses by itself. It also prints flags in titled groups and
// holds the flag values that several binaries need. It knows no flag by name, decides no precedence between the places
// and keeps no setting.
//
// The standard flag package, not pflag: it takes one dash and two alike, as etcd does, while pflag would read
// "-name x" as the short flags n, a, m and e.
package flagset

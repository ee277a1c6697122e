// Package clock moves the wall clock of one process. Time namespaces do not cover the wall clock, a library put before the C
// library's does not reach a static binary, and the machine's own clock is everybody's; so this rewrites, in the memory of that process alone, the
// function of the vDSO that reads the clock. The monotonic clock stays as it is, as it does when a host's clock is set.
// It knows Linux on x86-64.
package clock

// Package nemesis breaks a running cluster in many ways, one after the other, and makes it whole again each time: processes,
// network, disks, clocks and membership. What it does follows from a seed; how long it takes is bounded. It does not look at what
// clients are answered, only at whether every member serves again when nothing is broken any more.
package nemesis

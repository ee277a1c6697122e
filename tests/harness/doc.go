// Package harness runs servers as processes for black-box tests: Quorate's own binary, or any other that takes etcd's
// flags, so that a test is shown to be right by passing on etcd too. It knows nothing of what is tested.
//
// QUORATE_TEST_SERVER names the binary to test; without it bin/quorate is built by make. QUORATE_TEST_ENDPOINT names a new store that runs already instead,
// whatever it consists of.
package harness

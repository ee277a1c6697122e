// Package lessor is what a lease service knows and by what rules it goes: which leases there are and until when, which epoch
// it holds, what may be promised under it, and what has to be asked for next.
//
// A Lessor is state and step functions: each is told what time it is and what has happened, and answers what follows. There is
// no goroutine, clock, lock, I/O or randomness in it, so a test runs any number of them in one goroutine. Package lease runs
// one behind a lock, asks the store, and tells it the answers.
package lessor

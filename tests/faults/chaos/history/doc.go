// Package history is what a run leaves to be judged: what clients asked and were answered, what watchers were shown, how
// leases were kept, what users had a right to and got, and what the store itself says in the end. It holds data and no judgement.
package history

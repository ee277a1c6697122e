// Package crash kills a member at work, again and again, and holds it to what it had acknowledged: no write is lost, no
// event of a watch lost, doubled, reordered or taken back, and every restart serves. It kills the process, not the machine: what an
// operating system would lose with its page cache is tested beside the stores, on a file system that can forget.
//
// QUORATE_CRASH_KILLS is how often, 50 without it.
package crash

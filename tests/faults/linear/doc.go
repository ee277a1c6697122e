// Package linear records what concurrent clients were answered, also while the member is killed beneath them, and has
// porcupine look for an order that explains it: one in which every answer, the revisions in it too, is what a single-threaded store would
// have given, and no operation moves out of the time between its call and its answer.
//
// QUORATE_LINEAR_OPS is how many operations each history has, QUORATE_SEED repeats the choice of operations of a run that failed.
package linear

// Package plan works out what a change of many keys would do, at one revision, and does it as it was previewed.
//
// A plan is worked out anew by each call, from the revision on which the preview was based: the same plan at the same revision gives the
// same changes, so that nothing is kept between calls. A change is a transaction that compares the key's mod_revision with that of the
// preview: what somebody else has changed meanwhile stays as it is, and is told. All is asked of etcd's API for the caller of the context.
package plan

// Package ratelimit holds those who ask to rates of requests: each user, or each address where no user is shown, to so many a second of each
// class. It decides which requests have which class, and counts what is beyond the rate. It knows no wire, asks nobody what a user may do,
// and keeps nothing but how much each has left.
package ratelimit

// Package treepath says which keys are paths of the v2 API's tree: what they look like, and how deep and long they may be.
// The API refuses others before it asks the store, and the store, which is asked by others too and replays what is in its
// log, holds to the same bounds. It knows nothing of what is at a path.
package treepath

import "bytes"

// A directory's record has its whole path, and a path has as many directories above it as it has names: without bounds a
// request of 120 KB writes gigabytes of records.
const (
	// DepthMax is how many names a path may have. Trees that people keep have a dozen.
	DepthMax = 64
	// BytesMax is how long a path may be: at DepthMax its directories' records take some thirty times as much.
	BytesMax = 4096
)

const separator = '/'

// Root is the path of the directory that holds everything.
const Root = "/"

// WellFormed tells whether a key looks like a path: "/", or names that each follow a slash, none of which is empty, "." or
// "..".
func WellFormed(key []byte) bool {
	if string(key) == Root {
		return true
	}
	bad, _ := misfit(key)
	return len(key) > 0 && bad < 0
}

// Fits tells whether a well-formed path keeps to the bounds.
func Fits(path []byte) bool {
	return len(path) <= BytesMax && (string(path) == Root || bytes.Count(path, []byte{separator}) <= DepthMax)
}

// Valid tells whether a key is a path that is well-formed and fits.
func Valid(key []byte) bool { return len(key) <= BytesMax && WellFormed(key) && Fits(key) }

// Misfits returns, for a key that is not Valid and begins with a slash, the beginning that all its neighbours must share to
// be invalid for the same reason, so that a search may go on behind them. It is the whole key if it is alone in that.
func Misfits(key []byte) []byte {
	bad, shared := misfit(key)
	if at := tooDeep(key); at >= 0 && (bad < 0 || at < bad) {
		bad, shared = at, true
	}
	if len(key) > BytesMax && (bad < 0 || bad > BytesMax) {
		bad, shared = BytesMax, true
	}
	if bad < 0 || !shared {
		return key
	}
	return key[:bad+1]
}

// misfit returns where the first name ends that makes a key ill-formed, -1 if there is none, and whether that goes for all
// keys that are the same up to there.
func misfit(key []byte) (at int, shared bool) {
	if len(key) == 0 || key[0] != separator {
		return 0, true
	}
	for begin := 1; ; {
		end := bytes.IndexByte(key[begin:], separator)
		last := end < 0
		if last {
			end = len(key)
		} else {
			end += begin
		}
		switch string(key[begin:end]) {
		case "", ".", "..":
			// "/a/" and "/a/." are beginnings of good paths too, "/a//" and "/a/./" of none.
			return min(end, len(key)-1), !last
		}
		if last {
			return -1, false
		}
		begin = end + 1
	}
}

// tooDeep returns where a key gets more names than a path may have, -1 if it does not.
func tooDeep(key []byte) int {
	names := 0
	for i, c := range key {
		if c != separator {
			continue
		}
		if names++; names > DepthMax {
			return i
		}
	}
	return -1
}

package sessionqueue

// SliceMax is how many watches of a session that closes are ended in one go, under the lock that all sessions share: about
// a millisecond's worth. Everybody else's events wait for it.
const SliceMax = 500

// InSlices has watches ended, SliceMax at a time.
func InSlices[W Watch](watches map[int64]W, end func([]W)) {
	slice := make([]W, 0, min(len(watches), SliceMax))
	for _, w := range watches {
		if slice = append(slice, w); len(slice) == SliceMax {
			end(slice)
			slice = slice[:0]
		}
	}
	end(slice)
}

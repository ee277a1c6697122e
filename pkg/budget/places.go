package budget

// What clients' requests and streams may take that are open, of all clients together: each has a goroutine or several, buffers and a place in several
// lists, whether anything is said on it or not, and HTTP/2 lets a connection have any number.
const (
	// placeBytes is about what one takes, placesPart the part of the process's memory that is for them. There may be placesMin in any case, and
	// placesMost where nobody knows the memory.
	placeBytes, placesPart, placesMin, placesMost = 32 << 10, 4, 4096, 1 << 18
)

// Places is how many requests or streams of one kind clients may have open, all together.
func Places() int64 { return places(Memory()) }

func places(memory int64) int64 { return min(max(placesMin, memory/placesPart/placeBytes), placesMost) }

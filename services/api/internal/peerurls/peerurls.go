// Package peerurls bounds the peer URLs that a client may give a member, on every wire. It does not look at what kind of
// URLs they are: each wire refuses those in its own words.
package peerurls

const (
	// numberMax is how many URLs a member may have: as many as members listen to from each other. All members keep them, and
	// try one after the other for as long as none answers.
	numberMax = 16
	// bytesMax bounds each of them: a host's name has at most 253 bytes, and all of them fit into the head of a request between
	// members.
	bytesMax = 512
)

// TooMuch tells whether there are more URLs, or longer ones, than a member may have.
func TooMuch(urls []string) bool {
	for _, text := range urls {
		if len(text) > bytesMax {
			return true
		}
	}
	return len(urls) > numberMax
}

package v2

import (
	"net/http"
	"strconv"
)

// The v2 index is the store's revision: a node's modifiedIndex and createdIndex are its key's, and X-Etcd-Index is where the store was
// when it answered. One count for both APIs lets a client wait with either for what the other wrote.

// setEtcdIndex sets the header that tells the store's index.
func setEtcdIndex(w http.ResponseWriter, revision int64) {
	w.Header().Set(etcdIndexHeader, strconv.FormatInt(revision, 10))
}

const etcdIndexHeader = "X-Etcd-Index"

// setIndex sets the headers that tell where the store and its log are. They share one text, and one array.
func setIndex(w http.ResponseWriter, revision int64, index, term uint64) {
	var room [3 * 20]byte
	digits := strconv.AppendInt(room[:0], revision, 10)
	first := len(digits)
	digits = strconv.AppendUint(digits, index, 10)
	second := len(digits)
	text := string(strconv.AppendUint(digits, term, 10))
	values := &[...]string{text[:first], text[first:second], text[second:]}
	h := w.Header()
	h[etcdIndexHeader], h["X-Raft-Index"], h["X-Raft-Term"] = values[0:1:1], values[1:2:2], values[2:3:3]
}

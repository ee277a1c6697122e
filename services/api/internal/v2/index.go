package v2

import (
	"fmt"
	"net/http"
	"strconv"
)

// The v2 index is the store's revision: a node's modifiedIndex and createdIndex are its key's, and X-Etcd-Index is where the store was
// when it answered. One count for both APIs lets a client wait with either for what the other wrote.

// setEtcdIndex sets the header that tells the store's index.
func setEtcdIndex(w http.ResponseWriter, revision int64) {
	w.Header().Set("X-Etcd-Index", strconv.FormatInt(revision, 10))
}

// setIndex sets the headers that tell where the store and its log are.
func setIndex(w http.ResponseWriter, revision int64, index, term uint64) {
	setEtcdIndex(w, revision)
	w.Header().Set("X-Raft-Index", fmt.Sprint(index))
	w.Header().Set("X-Raft-Term", fmt.Sprint(term))
}

// Package identity derives the ids of members and of the cluster from how the cluster was first described, as etcd
// does, so that the same flags give the same ids in both and a member finds its own id again without asking anybody, and prints them.
// It does not parse flags, and it knows nothing of members that join later.
package identity

import (
	"crypto/sha1" // a name, not a defence: etcd's ids are made this way
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
)

// MemberID is the id of a founding member: the first 8 bytes, big endian, of the SHA-1 of its peer URLs, sorted and
// written one after the other, followed by the cluster's token. peerURLs is left as it is.
//
//	MemberID([]string{"http://localhost:2380"}, "etcd-cluster") == 0x8e9e05c52164694d
func MemberID(peerURLs []string, token string) uint64 {
	return digest([]byte(strings.Join(slices.Sorted(slices.Values(peerURLs)), "") + token))
}

// ClusterID is the id of the cluster that the members with these ids founded: the first 8 bytes, big endian, of the
// SHA-1 of the ids in ascending order, 8 bytes each, big endian. memberIDs is left as it is.
func ClusterID(memberIDs []uint64) uint64 {
	var written []byte
	for _, id := range slices.Sorted(slices.Values(memberIDs)) {
		written = binary.BigEndian.AppendUint64(written, id)
	}
	return digest(written)
}

func digest(of []byte) uint64 {
	sum := sha1.Sum(of)
	return binary.BigEndian.Uint64(sum[:8])
}

// Format prints an id as etcd's tools do: in hexadecimal, without leading zeros.
func Format(id uint64) string { return strconv.FormatUint(id, 16) }

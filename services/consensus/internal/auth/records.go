package auth

import (
	"bytes"
	"encoding/binary"
	"slices"

	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Rows are where the records of a state are kept. See mvcc.Batch.
type Rows interface {
	SetRecord(name string, old, value []byte)
	DropRecord(name string, old []byte)
}

// Records of the store are named by what they are of.
const (
	recordSettings = "auth/settings"
	prefixUser     = "auth/user/"
	prefixRole     = "auth/role/"
	prefixUse      = "auth/use/"
)

// Imported are the records of users and roles that come from a file of another store, with the settings that are known of it. No token of
// that store counts here: nobody has the secret that signs them until somebody logs in (see enableAuth). The roles of users and the
// permissions of roles are put in order.
func Imported(settings *consensusv1.AuthSettings, users []*consensusv1.User, roles []*consensusv1.Role) map[string][]byte {
	if settings == nil {
		return nil
	}
	revision := max(settings.GetRevision(), firstRevision+1) // a state at firstRevision has no record
	records := map[string][]byte{
		recordSettings: encode(&consensusv1.AuthSettings{Enabled: settings.GetEnabled(), Revision: revision, Guest: settings.GetGuest()}),
	}
	for _, user := range users {
		user = proto.CloneOf(user)
		slices.Sort(user.Roles)
		user.ChangedRevision, user.PasswordRevision = revision, revision
		records[prefixUser+user.GetName()] = encode(user)
	}
	for _, role := range roles {
		role = proto.CloneOf(role)
		slices.SortFunc(role.Permissions, func(a, b *consensusv1.Permission) int { return bytes.Compare(a.GetKey(), b.GetKey()) })
		role.ChangedRevision = revision
		records[prefixRole+role.GetName()] = encode(role)
	}
	return records
}

// encode is never nil: records that exist have a value.
func encode(m proto.Message) []byte {
	// These messages have no maps, required fields or strings that did not arrive as such.
	b, _ := proto.MarshalOptions{Deterministic: true}.MarshalAppend([]byte{}, m)
	return b
}

// writeRecord writes what a user or a role has become; nil stands for none.
func writeRecord[M interface {
	comparable
	proto.Message
}](rows Rows, name string, old, value M) {
	var none M
	switch {
	case value != none && old != none:
		rows.SetRecord(name, encode(old), encode(value))
	case value != none:
		rows.SetRecord(name, nil, encode(value))
	case old != none:
		rows.DropRecord(name, encode(old))
	}
}

func encodeUse(id string, end int64) []byte {
	return encode(&consensusv1.TokenUse{Id: []byte(id), Expiration: end})
}

func useRecord(id string) string { return prefixUse + id }

// endingKey orders tokens by their end.
func endingKey(end int64, id string) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(end))) + id
}

func splitEndingKey(key string) (end int64, id string) {
	return int64(binary.BigEndian.Uint64([]byte(key[:8]))), key[8:]
}

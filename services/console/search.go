package console

import (
	"bytes"
	"context"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
	"github.com/quoratedb/quorate/pkg/keyrange"
)

const (
	// searchKeys are read at a time, and lookedMax at most by one call.
	searchKeys, lookedMax = 5000, 50_000
	// lookMax is how long one call looks; what takes as long as one answer's reading comes on top.
	lookMax = 2 * time.Second
	// searchMax bounds what one call finds, and containsMax what is looked for.
	searchDefault, searchMax, containsMax = 100, 1000, 256
)

func refuse(format string, values ...any) error {
	return status.Errorf(codes.InvalidArgument, "quorate: "+format, values...)
}

// within returns what was asked for, within bounds.
func within(asked, otherwise, most int64) int64 {
	if asked <= 0 {
		return otherwise
	}
	return min(asked, most)
}

// Search finds keys whose names have a text in them.
func (c *Console) Search(ctx context.Context, r *consolev1.SearchRequest) (*consolev1.SearchResponse, error) {
	if n := len(r.GetContains()); n == 0 || n > containsMax {
		return nil, refuse("the text to look for has %d bytes, it must be 1 to %d", n, containsMax)
	}
	contains := matcher(r.GetContains(), r.GetIgnoreCase())
	answer := &consolev1.SearchResponse{Revision: r.GetRevision(), NextAfter: r.GetAfter()}
	most, until := within(r.GetLimit(), searchDefault, searchMax), time.Now().Add(lookMax)
	more, err := c.scan(ctx, r.GetPrefix(), r.GetAfter(), &answer.Revision, func(found *etcdserverpb.RangeResponse) bool {
		for _, kv := range found.GetKvs() {
			answer.LookedAt++
			answer.NextAfter = kv.GetKey()
			if contains(kv.GetKey()) {
				answer.Keys = append(answer.Keys, &consolev1.FoundKey{
					Key: kv.GetKey(), CreateRevision: kv.GetCreateRevision(), ModRevision: kv.GetModRevision(), Version: kv.GetVersion(),
				})
				if int64(len(answer.Keys)) == most {
					return false
				}
			}
		}
		return answer.LookedAt < lookedMax && time.Now().Before(until)
	})
	if err != nil {
		return nil, err
	}
	answer.More = more
	if !more {
		answer.NextAfter = nil
	}
	return answer, nil
}

// scan has look look at the keys below a prefix and behind one of them, without values, page after page of one revision, as long as it
// returns true. The revision is set where it was 0. It returns whether there may be more keys.
func (c *Console) scan(ctx context.Context, prefix, after []byte, revision *int64, look func(*etcdserverpb.RangeResponse) bool) (more bool, err error) {
	key, end := keyrange.Prefix(prefix)
	if len(after) > 0 && bytes.Compare(after, key) >= 0 {
		key = keyrange.After(after)
	}
	for {
		found, err := c.kv.Range(ctx, &etcdserverpb.RangeRequest{
			Key: key, RangeEnd: end, Revision: *revision, Limit: searchKeys, KeysOnly: true, Serializable: *revision != 0,
		})
		if err != nil {
			return false, err
		}
		if *revision == 0 {
			*revision = found.GetHeader().GetRevision()
		}
		if !look(found) {
			return true, nil
		}
		n := len(found.GetKvs())
		if !found.GetMore() || n == 0 {
			return false, nil
		}
		key = keyrange.After(found.GetKvs()[n-1].GetKey())
	}
}

// matcher tells the names that have a text in them.
func matcher(text []byte, ignoreCase bool) func([]byte) bool {
	if !ignoreCase {
		return func(name []byte) bool { return bytes.Contains(name, text) }
	}
	wanted := lower(nil, text)
	var scratch []byte
	return func(name []byte) bool {
		scratch = lower(scratch[:0], name)
		return bytes.Contains(scratch, wanted)
	}
}

// lower appends a name with its ASCII letters small: names need not be UTF-8.
func lower(to, name []byte) []byte {
	for _, b := range name {
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		to = append(to, b)
	}
	return to
}

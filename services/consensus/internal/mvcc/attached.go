package mvcc

import (
	"bytes"
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// Between is the stretch of keys from low up to but without high, which is nil for no end.
func Between(low, high []byte) Span { return Span{low: low, high: high, unbounded: high == nil} }

// AttachedIn tells whether a key of any of the spans is attached to a lease: at the cost of the spans, however many keys the
// lease has.
func AttachedIn(ctx context.Context, s *Store, id int64, spans []Span) (bool, error) {
	it, err := s.db.NewIterWithContext(ctx, nil)
	if err != nil {
		return false, err
	}
	found, err := attachedIn(it, id, spans, func([]byte) bool { return false })
	return found, errors.Join(err, it.Close())
}

// AnyAttachedIn tells whether a key of any of the spans is attached to any lease.
func AnyAttachedIn(ctx context.Context, s *Store, spans []Span) (found bool, err error) {
	lower, upper := spaceAttachment.bounds()
	err = s.each(lower, upper, attentive(ctx, func(k, _ []byte) error {
		_, key, err := splitAttachmentKey(k)
		if err == nil && within(key, spans) {
			found, err = true, errEnough
		}
		return err
	}))
	if errors.Is(err, errEnough) {
		err = nil
	}
	return found, err
}

// AttachedIn is what AttachedIn finds with what the batch has changed so far.
func (b *Batch) AttachedIn(id int64, spans []Span) (bool, error) {
	for _, k := range b.overlay.attached(id) {
		if within(k.key, spans) {
			return true, nil
		}
	}
	base, err := seekBase(b)
	if err != nil {
		return false, err
	}
	it, err := base.it.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{}})
	if err != nil {
		return false, err
	}
	found, err := attachedIn(it, id, spans, func(key []byte) bool { return outdated(b, key) })
	return found, errors.Join(err, it.Close())
}

// attachedIn looks for an attachment in the spans that is not outdated.
func attachedIn(it *pebble.Iterator, id int64, spans []Span, outdated func(key []byte) bool) (bool, error) {
	_, upper := attachmentBounds(id)
	for _, span := range spans {
		for ok := it.SeekGE(appendAttachmentKey(nil, id, span.low)); ok && bytes.Compare(it.Key(), upper) < 0; ok = it.Next() {
			_, key, err := splitAttachmentKey(it.Key())
			if err != nil {
				return false, err
			}
			if !span.unbounded && bytes.Compare(key, span.high) >= 0 {
				break
			}
			if !outdated(key) {
				return true, nil
			}
		}
	}
	return false, it.Error()
}

func within(key []byte, spans []Span) bool {
	for _, span := range spans {
		if span.Contains(key) {
			return true
		}
	}
	return false
}

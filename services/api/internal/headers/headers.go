// Package headers reads what a call's client said in its metadata. It sends none.
package headers

import (
	"context"

	"google.golang.org/grpc/metadata"
)

// Key is by what a context may answer with the metadata.MD of its call. All names in it are in small letters, as they are on the wire.
type Key struct{}

// Headers are a call's metadata.
type Headers struct {
	ctx   context.Context
	known metadata.MD
}

// Of are those of the call that ctx is of. Where they are not known by Key, grpc-go is asked for each name: it has a copy for whoever asks, and looks for
// a name that is not there among all of them, whatever their letters.
func Of(ctx context.Context) Headers {
	known, _ := ctx.Value(Key{}).(metadata.MD)
	return Headers{ctx, known}
}

// Values are those of a name in small letters, none where it was not said. They must not be changed.
func (h Headers) Values(name string) []string {
	if h.known != nil {
		return h.known[name]
	}
	return metadata.ValueFromIncomingContext(h.ctx, name)
}

// First is the first of Values, empty for none.
func (h Headers) First(name string) string {
	if values := h.Values(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

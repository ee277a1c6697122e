package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/quoratedb/quorate/pkg/founders"
	"github.com/quoratedb/quorate/services/quorate/config"
)

// Errors of Join, in etcd's words.
var (
	// ErrSizeNotFound is of a token that nobody has set up.
	ErrSizeNotFound = errors.New("discovery: size key not found")
	// ErrBadSizeKey is of a size that is no number above zero.
	ErrBadSizeKey = errors.New("discovery: size key is bad")
	// ErrFullCluster is of a member that comes too late: the token has served a cluster already.
	ErrFullCluster = errors.New("discovery: cluster is full")
	// ErrInvalidURL is of a registration that cannot be read.
	ErrInvalidURL = errors.New("discovery: invalid peer URL")
)

const prefix = "/_etcd/registry"

const (
	// pauseMin and pauseMax bound how long a call that was not answered is put off, twice as long each time.
	pauseMin, pauseMax = time.Second, 30 * time.Second
	// lookInterval is how long a watch is relied on: an endpoint that is cut off from its cluster never tells of a change.
	lookInterval = 10 * time.Second
)

// Join registers a member under its id with what the others must know of it (name=url,name=url) and returns the same of
// all members, itself among them, once they are complete. It waits for the others, and for a registry that does not answer,
// until ctx ends. Other errors are those above, and that the registry does not let this member in.
func Join(ctx context.Context, d config.Discovery, id uint64, self string, log *slog.Logger) (members string, err error) {
	log = log.With("discovery-token", d.Token, "discovery-endpoints", strings.Join(d.Endpoints, ","))
	if members, err = meet(ctx, d, id, self, log); err != nil {
		if errors.Is(err, ErrFullCluster) {
			log.Warn("the discovery token has served its cluster already: take a new one for each cluster")
		}
		return "", fmt.Errorf("failed to join discovery cluster (%w)", err)
	}
	log.Info("the members of the cluster have found each other", "members", members)
	return members, nil
}

func meet(ctx context.Context, d config.Discovery, id uint64, self string, log *slog.Logger) (string, error) {
	client, err := newClient(d)
	if err != nil {
		return "", err
	}
	defer client.close()
	r := &registry{client: client, root: path.Join(prefix, d.Token), timeout: d.RequestTimeout, log: log}
	return r.join(ctx, strconv.FormatUint(id, 16), self)
}

// registry is the meeting place of one token.
type registry struct {
	client  *client
	root    string // the key of the token
	timeout time.Duration
	log     *slog.Logger
}

// registration is what a member has put.
type registration struct {
	key, value string
	created    int64 // revision
}

// join looks for room before it registers, so that a latecomer leaves nothing behind, and after, because others do the same.
func (r *registry) join(ctx context.Context, id, self string) (string, error) {
	own := path.Join(r.root, "members", id)
	if _, _, _, err := r.check(ctx, own); err != nil {
		return "", err
	}
	err := r.retry(ctx, "register this member", func(ctx context.Context) error {
		return r.client.put(ctx, own, self)
	})
	if err != nil {
		return "", err
	}
	r.log.Info("registered this member", "key", own, "value", self)
	for {
		size, found, revision, err := r.check(ctx, own)
		if err != nil {
			return "", err
		}
		if len(found) >= size {
			return list(found[:size])
		}
		r.log.Info("waiting for the other members to register", "registered", len(found), "size", size)
		if err := r.awaitChange(ctx, revision); err != nil {
			return "", err
		}
	}
}

// check reads the size and the registrations, in their order, and returns ErrFullCluster if own has no place among them.
func (r *registry) check(ctx context.Context, own string) (size int, found []registration, revision int64, err error) {
	err = r.retry(ctx, "read the size of the cluster", func(ctx context.Context) (err error) {
		size, err = r.size(ctx)
		return err
	})
	if err != nil {
		return 0, nil, 0, err
	}
	err = r.retry(ctx, "read who has registered", func(ctx context.Context) (err error) {
		found, revision, err = r.registered(ctx)
		return err
	})
	if err != nil {
		return 0, nil, 0, err
	}
	place := slices.IndexFunc(found, func(each registration) bool { return each.key == own })
	if place >= size || place < 0 && len(found) >= size {
		return 0, nil, 0, ErrFullCluster
	}
	return size, found, revision, nil
}

func (r *registry) size(ctx context.Context) (int, error) {
	key := path.Join(r.root, "_config/size")
	answer, err := r.client.get(ctx, key, false)
	if err != nil {
		return 0, err
	}
	if len(answer.Kvs) == 0 {
		return 0, fmt.Errorf("%w: put the number of members under %s", ErrSizeNotFound, key)
	}
	size, err := strconv.ParseInt(string(answer.Kvs[0].Value), 10, 32)
	if err != nil || size <= 0 {
		return 0, fmt.Errorf("%w: %s is %q", ErrBadSizeKey, key, answer.Kvs[0].Value)
	}
	return int(size), nil
}

func (r *registry) registered(ctx context.Context) ([]registration, int64, error) {
	answer, err := r.client.get(ctx, path.Join(r.root, "members"), true)
	if err != nil {
		return nil, 0, err
	}
	var found []registration
	for _, kv := range answer.Kvs {
		if each, ok := r.read(kv); ok {
			found = append(found, each)
		}
	}
	slices.SortFunc(found, func(a, b registration) int { return cmp.Compare(a.created, b.created) })
	return found, answer.Header.Revision, nil
}

// read passes over what is no registration, as etcd does.
func (r *registry) read(kv *mvccpb.KeyValue) (registration, bool) {
	each := registration{strings.TrimSpace(string(kv.Key)), strings.TrimSpace(string(kv.Value)), kv.CreateRevision}
	if !strings.Contains(each.value, "=") {
		r.log.Warn("a registration is not of the form name=url", "key", each.key, "value", each.value)
		return each, false
	}
	return each, true
}

// awaitChange returns once somebody has registered after revision, or it is time to look: also when the watch has broken.
func (r *registry) awaitChange(ctx context.Context, revision int64) error {
	once, cancel := context.WithTimeout(ctx, lookInterval)
	defer cancel()
	if err := r.client.watch(once, path.Join(r.root, "members"), revision+1); err != nil && once.Err() == nil {
		r.log.Warn("a watch of the other members has broken", "error", err)
		return r.wait(ctx, pauseMin)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// retry makes a call until it is answered. What waiting does not change is returned.
func (r *registry) retry(ctx context.Context, what string, call func(context.Context) error) error {
	pause := pauseMin
	for {
		once, cancel := context.WithTimeout(ctx, r.timeout)
		err := call(once)
		cancel()
		if err == nil || final(err) {
			return err
		}
		round := r.client.next()
		r.log.Warn("a discovery endpoint does not answer, trying again", "to", what, "error", err)
		if round {
			if err := r.wait(ctx, pause); err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			pause = min(2*pause, pauseMax)
		}
	}
}

func (r *registry) wait(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func final(err error) bool {
	for _, each := range []error{
		ErrSizeNotFound, ErrBadSizeKey, rpctypes.ErrPermissionDenied, rpctypes.ErrAuthFailed, rpctypes.ErrUserEmpty,
	} {
		if errors.Is(err, each) {
			return true
		}
	}
	return false
}

// list puts the registrations together as --initial-cluster would have them, and refuses what no cluster can be made of.
func list(found []registration) (string, error) {
	owner := map[string]string{} // key of each name
	var values []string
	for _, each := range found {
		urls, err := founders.Parse(each.value)
		if err != nil || len(urls) != 1 {
			return "", fmt.Errorf("%w: %s is %q", ErrInvalidURL, each.key, each.value)
		}
		for name := range urls {
			if other := owner[name]; other != "" {
				return "", fmt.Errorf("two members are registered under the name %q, as %s and %s: give them names of their own, and a new token", name, other, each.key)
			}
			owner[name] = each.key
		}
		values = append(values, each.value)
	}
	joined := strings.Join(values, ",")
	if _, err := founders.Parse(joined); err != nil {
		return "", fmt.Errorf("discovery cluster %s has duplicate url: %w", joined, err)
	}
	return joined, nil
}

package console

import (
	"context"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
)

const (
	leasesDefault, leasesMax = 100, 500
	// listMax is how long a list may take.
	listMax = 10 * time.Second
	// keysShown is how many keys of a lease are shown.
	keysShown = 20
)

// Leases lists leases with their time and keys.
func (c *Console) Leases(ctx context.Context, r *consolev1.LeasesRequest) (*consolev1.LeasesResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, listMax)
	defer cancel()
	ids, err := c.leaseIDs(ctx)
	if err != nil {
		return nil, err
	}
	answer := &consolev1.LeasesResponse{Total: int64(len(ids))}
	first, _ := slices.BinarySearch(ids, r.GetAfter()+1)
	ids = ids[first:]
	if most := int(within(r.GetLimit(), leasesDefault, leasesMax)); len(ids) > most {
		ids, answer.More = ids[:most], true
	}
	for _, id := range ids {
		found, err := c.lease(ctx, id)
		if err != nil {
			return nil, err
		}
		answer.Leases = append(answer.Leases, found)
	}
	return answer, nil
}

// leaseIDs returns all leases in order.
func (c *Console) leaseIDs(ctx context.Context) ([]int64, error) {
	found, err := c.leases.LeaseLeases(ctx, &etcdserverpb.LeaseLeasesRequest{})
	if err != nil {
		return nil, err
	}
	ids := make([]int64, 0, len(found.GetLeases()))
	for _, lease := range found.GetLeases() {
		ids = append(ids, lease.GetID())
	}
	slices.Sort(ids)
	return ids, nil
}

// lease tells how a lease is.
func (c *Console) lease(ctx context.Context, id int64) (*consolev1.Lease, error) {
	found, err := c.leases.LeaseTimeToLive(ctx, &etcdserverpb.LeaseTimeToLiveRequest{ID: id, Keys: true})
	if err != nil {
		return nil, err
	}
	keys := found.GetKeys()
	return &consolev1.Lease{
		Id: id, GrantedTtl: found.GetGrantedTTL(), Ttl: found.GetTTL(), Keys: keys[:min(len(keys), keysShown)], KeysTotal: int64(len(keys)),
	}, nil
}

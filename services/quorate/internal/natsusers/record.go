package natsusers

import (
	"context"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api"
	"github.com/quoratedb/quorate/services/watch"
)

// record writes a line about what a user asked for.
func (k *keeper) record(audit *api.AuditLog, e watch.UserEvent) error {
	ctx, cancel := context.WithTimeout(context.Background(), admitMax)
	defer cancel()
	note := api.AuditNote{
		User: e.User, Password: e.User != "", Peer: e.Peer, Method: api.AuditNATSConnect, Subject: e.Subject, Ranges: e.Ranges,
		Refused: e.Refused, Ended: e.Ended, Roles: func() []string { return k.roles(ctx, e.User) },
	}
	if e.Subject != "" {
		note.Method = api.AuditNATSSubscribe
	}
	return audit.Note(ctx, note)
}

// roles are those of a user, none where nobody can tell.
func (k *keeper) roles(ctx context.Context, name string) []string {
	user, err := k.auth.ReadAuth(ctx, &consensusv1.ReadAuthRequest{Caller: internal, Read: &consensusv1.ReadAuthRequest_User{User: &consensusv1.UserRead{Name: name}}})
	if err != nil {
		return nil
	}
	return user.GetRoles()
}

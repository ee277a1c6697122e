package natsserver

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/quoratedb/quorate/services/watch/internal/natspublisher"
)

// Keeper says who may subscribe while the store has users of its own. Its methods may be called concurrently.
type Keeper interface {
	// Admit says what the user of a name and password may read. While the store asks nobody who they are, enabled is false. An
	// error refuses the client.
	Admit(name, password string) (rights Rights, enabled bool, err error)
}

// Rights are what a user may read.
type Rights struct {
	// Everything is all keys.
	Everything bool
	// Directories are prefixes that end in a slash and do not begin with one. Keys below them may be read whether or not a slash
	// stands in front: both have the same subject.
	Directories [][]byte
}

// subjects are what users with these rights may subscribe to: nothing that could be the subject of another key. How far the
// publisher is may be known to any user.
func (r Rights) subjects() []string {
	if r.Everything {
		return []string{usersSubjects}
	}
	subjects := []string{natspublisher.PositionSubject}
	for _, directory := range r.Directories {
		subject := natspublisher.Subject([]byte(strings.TrimSuffix(string(directory), "/")))
		if subject != natspublisher.LongSubject {
			subjects = append(subjects, subject+".>")
		}
	}
	return subjects
}

// entrance is NATS's question whether a client may come in.
type entrance struct {
	own   map[string]*server.User // this process's
	users Users
	// nats is the server that asks: its accounts are copies of those that it was given. Nobody comes in before it is there.
	nats *server.Server
}

var _ server.Authentication = (*entrance)(nil)

// Check implements server.Authentication.
func (e *entrance) Check(client server.ClientAuthentication) bool {
	name, password := client.GetOpts().Username, client.GetOpts().Password
	account, err := e.nats.LookupAccount(usersAccount)
	if err != nil {
		return false
	}
	if own := e.own[name]; own != nil {
		if subtle.ConstantTimeCompare([]byte(own.Password), []byte(password)) != 1 {
			return false
		}
		known := *own
		if known.Account != nil {
			known.Account = account
		}
		client.RegisterUser(&known)
		return true
	}
	rights, enabled, err := e.users.Keeper.Admit(name, password)
	switch {
	case err != nil:
		return false
	case !enabled && e.users.User == "" && e.users.Password == "":
		name, rights = anonymousUser, Rights{Everything: true}
	case !enabled:
		sameName := subtle.ConstantTimeCompare([]byte(e.users.User), []byte(name))
		if sameName&subtle.ConstantTimeCompare([]byte(e.users.Password), []byte(password)) != 1 {
			return false
		}
		rights = Rights{Everything: true}
	}
	client.RegisterUser(subscriber(name, account, rights))
	return true
}

// subscriber may subscribe to what it has a right to, and publish nothing.
func subscriber(name string, account *server.Account, rights Rights) *server.User {
	return &server.User{Username: name, Account: account, Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Deny: []string{">"}},
		Subscribe: &server.SubjectPermission{Allow: rights.subjects()},
	}}
}

// ReviewUsers has all users come in anew: their rights may be others now.
func (s *Server) ReviewUsers() error {
	connections, err := s.NATS.Connz(&server.ConnzOptions{Username: true, Limit: usersMax + s.options.MaxConn})
	if err != nil {
		return fmt.Errorf("list NATS clients: %w", err)
	}
	var problems []error
	for _, c := range connections.Conns {
		if c.AuthorizedUser != InternalUser && c.AuthorizedUser != PublisherUser {
			// One that has left meanwhile is no problem.
			if err := s.NATS.DisconnectClientByID(c.Cid); err != nil && !strings.Contains(err.Error(), "no such client") {
				problems = append(problems, err)
			}
		}
	}
	return errors.Join(problems...)
}

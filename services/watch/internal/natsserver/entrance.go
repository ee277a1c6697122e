package natsserver

import (
	"crypto/subtle"
	"errors"

	"github.com/nats-io/nats-server/v2/server"
)

// asksMax is how often the keeper is asked about a client.
const asksMax = 3

// entrance is NATS's question whether a client may come in.
type entrance struct {
	own map[string]*server.User // this process's
	// user and password are asked of everybody while the store asks nobody who they are; if both are empty anybody is let in.
	user, password string
	keeper         Keeper
	guests         *guests
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
			return e.guests.admit(e.nats, client, guest{user: name}, 0, true)
		}
		known := *own
		if known.Account != nil {
			known.Account = account
		}
		client.RegisterUser(&known)
		return true
	}
	rights, standing, lost, err := e.ask(name, password)
	said, refused := name, err != nil
	switch {
	case refused:
	case !standing.Enabled && e.user == "" && e.password == "":
		said, name, rights = "", anonymousUser, Rights{Everything: true}
	case !standing.Enabled:
		sameName := subtle.ConstantTimeCompare([]byte(e.user), []byte(name))
		refused = sameName&subtle.ConstantTimeCompare([]byte(e.password), []byte(password)) != 1
		rights = Rights{Everything: true}
	}
	if !e.guests.admit(e.nats, client, guest{user: said, rights: rights, at: standing}, lost, refused) {
		return false
	}
	client.RegisterUser(subscriber(name, account, rights))
	return true
}

// errBehind refuses who would come in by rights of before a change that is known here.
var errBehind = errors.New("rights were looked up where a change is not known yet")

// ask asks the keeper, and a few times again where the answer is from before what users were reviewed for: nobody would review it again. It returns how
// often all had to come in anew before.
func (e *entrance) ask(name, password string) (rights Rights, standing Standing, lost int, err error) {
	for range asksMax {
		lost = e.guests.lost()
		rights, standing, err = e.keeper.Admit(name, password)
		if err != nil || !e.guests.missed(standing, lost) {
			return rights, standing, lost, err
		}
	}
	return Rights{}, standing, lost, errBehind
}

// subscriber may subscribe to what it has a right to, and publish nothing.
func subscriber(name string, account *server.Account, rights Rights) *server.User {
	return &server.User{Username: name, Account: account, Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Deny: []string{">"}},
		Subscribe: &server.SubjectPermission{Allow: rights.subjects()},
	}}
}

package natsserver

import (
	"slices"
	"strings"

	"github.com/quoratedb/quorate/services/watch/internal/natspublisher"
)

// Keeper says who may subscribe while the store has users of its own. Its methods may be called concurrently.
type Keeper interface {
	// Admit says what the user of a name and password may read, and how authentication stood when that was so, or before: not enabled while the
	// store asks nobody who they are. An error refuses the client.
	Admit(name, password string) (rights Rights, standing Standing, err error)
}

// Standing is how authentication stands. A change of users or roles comes with another one.
type Standing struct {
	Enabled  bool
	Revision uint64
}

// Before tells whether a change came after s that now is told of. Enabling raises no revision, disabling does.
func (s Standing) Before(now Standing) bool {
	return s.Revision < now.Revision || s.Revision == now.Revision && !s.Enabled && now.Enabled
}

// Rights are what a user may read.
type Rights struct {
	// Everything is all keys.
	Everything bool
	// Directories are prefixes that end in a slash and do not begin with one. Keys below them may be read whether or not a slash
	// stands in front: both have the same subject.
	Directories [][]byte
}

// allow tells whether a subject is one of subjects, or below it.
func (r Rights) allow(subject string) bool {
	return slices.ContainsFunc(r.subjects(), func(allowed string) bool {
		if directory, below := strings.CutSuffix(allowed, ">"); below {
			return len(subject) > len(directory) && strings.HasPrefix(subject, directory)
		}
		return subject == allowed
	})
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

// Who comes to the server, where it asks: this process, for the broadcast and to publish to users; and users.
const (
	InternalUser  = "quorate"
	PublisherUser = "quorate-publisher"
	anonymousUser = "anybody"
)

// usersAccount keeps users apart from the broadcast. Watch nodes have it whether or not they let users in themselves, for
// who ingests publishes for all of them.
const usersAccount = "USERS"

// usersSubjects is what users may subscribe to.
const usersSubjects = "quorate.>"

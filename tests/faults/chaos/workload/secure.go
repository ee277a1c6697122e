package workload

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

const (
	// usersOfRun is how many users there are whose rights change.
	usersOfRun = 4
	// fromFirst and toLast are the whole key space, as a range of a permission.
	fromFirst, toLast = "\x00", "\x00"
)

// Login is how a user proves who he is.
type Login struct {
	Name, Password string
}

var (
	// Root may do everything.
	Root = Login{"root", "of root"}
	// everybody may read and write every key: those clients whose rights nobody changes.
	everybody = Login{"everybody", "of everybody"}
)

// dialEverything connects a client that may read and write every key.
func (c Config) dialEverything(endpoints ...string) (*clientv3.Client, error) {
	if c.DialAs != nil {
		return c.DialAs(everybody, endpoints...)
	}
	return c.Dial(endpoints...)
}

// userLogin is a user whose rights change.
func userLogin(i int) Login {
	return Login{fmt.Sprintf("user%d", i), fmt.Sprintf("of user %d", i)}
}

// userRight is what that user is granted and revoked.
func userRight(i int) history.Right {
	return history.Right{User: userLogin(i).Name, Prefix: fmt.Sprintf("user/%d/", i)}
}

// roleOf is the role of a user, which has his name.
func roleOf(right history.Right) string { return right.User }

// Secure makes Root, the user of clients that may do everything with keys, and the users whose rights change, who have none at first, and enables
// authentication. It is called once, by nobody, in an undisturbed cluster.
func Secure(ctx context.Context, etcd *clientv3.Client) error {
	err := addUser(ctx, etcd, Root, true)
	if err == nil {
		err = addUser(ctx, etcd, everybody, true)
	}
	if err == nil {
		err = permit(ctx, etcd, everybody.Name, fromFirst, toLast)
	}
	for i := range usersOfRun {
		right := userRight(i)
		way := wayOf(i)
		if err == nil {
			err = addUser(ctx, etcd, userLogin(i), way == byPermission)
		}
		if err == nil && way == byRole {
			err = permit(ctx, etcd, roleOf(right), right.Prefix, clientv3.GetPrefixRangeEnd(right.Prefix))
		}
	}
	if err == nil {
		_, err = etcd.AuthEnable(ctx)
	}
	return err
}

// addUser makes a user and a role of the same name, which he has or not.
func addUser(ctx context.Context, etcd *clientv3.Client, login Login, has bool) error {
	if _, err := etcd.UserAdd(ctx, login.Name, login.Password); err != nil {
		return fmt.Errorf("add user %s: %w", login.Name, err)
	}
	if _, err := etcd.RoleAdd(ctx, login.Name); err != nil {
		return fmt.Errorf("add role %s: %w", login.Name, err)
	}
	if !has {
		return nil
	}
	if _, err := etcd.UserGrantRole(ctx, login.Name, login.Name); err != nil {
		return fmt.Errorf("grant role %s: %w", login.Name, err)
	}
	return nil
}

func permit(ctx context.Context, etcd *clientv3.Client, role, key, end string) error {
	if _, err := etcd.RoleGrantPermission(ctx, role, key, end, clientv3.PermissionType(clientv3.PermReadWrite)); err != nil {
		return fmt.Errorf("permission of role %s: %w", role, err)
	}
	return nil
}

package v2

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	client "go.etcd.io/etcd/client/v2"

	"github.com/quoratedb/quorate/services/ctl/internal/prompt"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// noUser is what is said where a user is to be named.
const noUser = "Please provide a username"

func newAuth(s *shell.Shell) *cobra.Command {
	cmd := &cobra.Command{Use: "auth", Short: "Enable and disable authentication"}
	cmd.AddCommand(
		word(s, "enable", "Enable authentication; there must be a user root", 0, noArguments, func(ctx context.Context, call *shell.Call, c *connection) error {
			return done(call, client.NewAuthAPI(c).Enable(ctx), "Authentication Enabled")
		}),
		word(s, "disable", "Disable authentication: everybody may do everything", 0, noArguments, func(ctx context.Context, call *shell.Call, c *connection) error {
			return done(call, client.NewAuthAPI(c).Disable(ctx), "Authentication Disabled")
		}),
	)
	return cmd
}

// done prints what was done, or the error for which it was not.
func done(call *shell.Call, err error, format string, args ...any) error {
	if err != nil {
		return complain(call, "%v", err)
	}
	call.Printf(format+"\n", args...)
	return nil
}

func newUser(s *shell.Shell) *cobra.Command {
	cmd := &cobra.Command{Use: "user", Short: "List, add, look at, change and remove users"}
	cmd.AddCommand(
		word(s, "add <user or user:password>", "Add a user", 1, noUser, addUser),
		word(s, "get <user>", "Print a user's roles", 1, noUser, func(ctx context.Context, call *shell.Call, c *connection) error {
			user, err := client.NewAuthUserAPI(c).GetUser(ctx, call.Args[0])
			if err != nil {
				return complain(call, "%v", err)
			}
			call.Printf("User: %s\nRoles: %s\n", user.User, strings.Join(user.Roles, " "))
			return nil
		}),
		word(s, "list", "Print the names of all users", 0, noArguments, func(ctx context.Context, call *shell.Call, c *connection) error {
			users, err := client.NewAuthUserAPI(c).ListUsers(ctx)
			return printNames(call, users, err)
		}),
		word(s, "remove <user>", "Remove a user", 1, noUser, func(ctx context.Context, call *shell.Call, c *connection) error {
			return done(call, client.NewAuthUserAPI(c).RemoveUser(ctx, call.Args[0]), "User %s removed", call.Args[0])
		}),
		newUserRoles(s, "grant", "Give a user roles", client.AuthUserAPI.GrantUser),
		newUserRoles(s, "revoke", "Take roles from a user", client.AuthUserAPI.RevokeUser),
		newUserPassword(s),
	)
	return cmd
}

func printNames(call *shell.Call, names []string, err error) error {
	if err != nil {
		return complain(call, "%v", err)
	}
	for _, name := range names {
		call.Println(name)
	}
	return nil
}

func addUser(_ context.Context, call *shell.Call, c *connection) error {
	name, password, given := strings.Cut(call.Args[0], ":")
	if !given {
		var err error
		if password, err = newPassword(call); err != nil {
			return err
		}
	}
	ctx, cancel := c.context() // typing takes none of it
	defer cancel()
	return done(call, client.NewAuthUserAPI(c).AddUser(ctx, name, password), "User %s created", name)
}

func newUserPassword(s *shell.Shell) *cobra.Command {
	return word(s, "passwd <user>", "Change a user's password", 1, noUser, func(_ context.Context, call *shell.Call, c *connection) error {
		password, err := newPassword(call)
		if err != nil {
			return err
		}
		ctx, cancel := c.context()
		defer cancel()
		_, err = client.NewAuthUserAPI(c).ChangePassword(ctx, call.Args[0], password)
		return done(call, err, "Password updated")
	})
}

// newPassword asks for the password that a user is to have.
func newPassword(call *shell.Call) (string, error) {
	password, err := prompt.Password(call.Shell.Stdin, call.Shell.Stdout, "New password: ")
	if err != nil {
		return "", complain(call, "Error reading password: %v", err)
	}
	return password, nil
}

// newUserRoles is a word that changes a user's roles.
func newUserRoles(s *shell.Shell, use, short string, change func(client.AuthUserAPI, context.Context, string, []string) (*client.User, error)) *cobra.Command {
	var roles []string
	cmd := word(s, use+" <user> --roles <role>", short, 1, noUser, func(ctx context.Context, call *shell.Call, c *connection) error {
		if len(roles) == 0 {
			return complain(call, "No roles specified; please use `--roles`")
		}
		_, err := change(client.NewAuthUserAPI(c), ctx, call.Args[0], roles)
		return done(call, err, "User %s updated", call.Args[0])
	})
	cmd.Flags().StringArrayVar(&roles, "roles", nil, "a `role`; the flag may be repeated")
	return cmd
}

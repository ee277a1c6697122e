package v2

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	client "go.etcd.io/etcd/client/v2"

	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// word makes a command that takes so many arguments; wants is what is said if there are more or fewer. The function has
// what --total-timeout leaves of time.
func word(s *shell.Shell, use, short string, arguments int, wants string, run func(context.Context, *shell.Call, *connection) error) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		RunE: s.Run(func(call *shell.Call) error {
			if len(call.Args) != arguments {
				return complain(call, "%s", wants)
			}
			c, err := connect(call)
			if err != nil {
				return err
			}
			ctx, cancel := c.context()
			defer cancel()
			return run(ctx, call, c)
		}),
	}
}

// noArguments is what is said where there are to be none.
const noArguments = "No arguments accepted"

func newMember(s *shell.Shell) *cobra.Command {
	cmd := &cobra.Command{Use: "member", Short: "List, add, remove and change members"}
	cmd.AddCommand(
		word(s, "list", "Print the members of the cluster", 0, noArguments, listMembers),
		word(s, "add <name> <peerURL>", "Add a member, which is started afterwards", 2, "Provide a name and a single member peerURL", addMember),
		word(s, "remove <memberID>", "Remove a member, which stops by itself", 1, "Provide a single member ID", removeMember),
		word(s, "update <memberID> <peerURLs>", "Change where a member is reached by the others", 2,
			"Provide an ID and a list of comma separated peerURL (0xabcd http://example.com,http://example1.com)",
			func(ctx context.Context, call *shell.Call, c *connection) error {
				id := call.Args[0]
				if err := client.NewMembersAPI(c).Update(ctx, id, strings.Split(call.Args[1], ",")); err != nil {
					return complain(call, "%v", err)
				}
				call.Printf("Updated member with ID %s in cluster\n", id)
				return nil
			}),
	)
	return cmd
}

func listMembers(ctx context.Context, call *shell.Call, c *connection) error {
	api := client.NewMembersAPI(c)
	members, err := api.List(ctx)
	if err != nil {
		return complain(call, "%v", err)
	}
	leader, err := api.Leader(ctx)
	if err != nil {
		return complain(call, "Failed to get leader:  %v", err)
	}
	for _, member := range members {
		peers := strings.Join(member.PeerURLs, ",")
		if member.Name == "" {
			call.Printf("%s[unstarted]: peerURLs=%s\n", member.ID, peers)
			continue
		}
		call.Printf("%s: name=%s peerURLs=%s clientURLs=%s isLeader=%t\n",
			member.ID, member.Name, peers, strings.Join(member.ClientURLs, ","), member.ID == leader.ID)
	}
	return nil
}

func addMember(ctx context.Context, call *shell.Call, c *connection) error {
	name, api := call.Args[0], client.NewMembersAPI(c)
	added, err := api.Add(ctx, call.Args[1])
	if err != nil {
		return complain(call, "%v", err)
	}
	call.Printf("Added member named %s with ID %s to cluster\n", name, added.ID)
	members, err := api.List(ctx)
	if err != nil {
		return complain(call, "%v", err)
	}
	var initial []string
	for _, member := range members {
		if member.ID == added.ID {
			member.Name = name
		}
		for _, url := range member.PeerURLs {
			initial = append(initial, member.Name+"="+url)
		}
	}
	call.Printf("\nETCD_NAME=%q\nETCD_INITIAL_CLUSTER=%q\nETCD_INITIAL_CLUSTER_STATE=\"existing\"\n", name, strings.Join(initial, ","))
	return nil
}

func removeMember(ctx context.Context, call *shell.Call, c *connection) error {
	id, api := call.Args[0], client.NewMembersAPI(c)
	members, err := api.List(ctx)
	if err != nil {
		return complain(call, "Error while verifying ID against known members: %v", err)
	}
	if !slices.ContainsFunc(members, func(m client.Member) bool { return m.ID == id }) {
		for _, member := range members {
			if member.Name == id {
				fmt.Fprintf(call.Shell.Stderr, "%s is the name of the member %s; it is removed by its ID.\n", member.Name, member.ID)
			}
		}
		return complain(call, "Couldn't find a member in the cluster with an ID of %s.", id)
	}
	if err := api.Remove(ctx, id); err != nil {
		return complain(call, "Received an error trying to remove member %s: %v", id, err)
	}
	call.Printf("Removed member %s from cluster\n", id)
	return nil
}

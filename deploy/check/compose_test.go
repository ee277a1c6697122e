package check

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

// ours begins the images that make images builds.
const ours = "quorate"

func compose(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")}, cli.WithProfiles([]string{"*"}))
	require.NoError(t, err)
	project, err := options.LoadProject(context.Background())
	require.NoError(t, err)
	return project
}

// Goal: the stack's file is one that Compose takes, its services run without rights and with bounds, restart, are checked, and ask their programs for
// what these have. Method: Compose's own parser; arguments are compared with the programs' own lists of flags.
func TestComposeServicesAreConfined(t *testing.T) {
	found := 0
	for name, service := range compose(t).Services {
		image, _, _ := strings.Cut(service.Image, ":")
		if !strings.HasPrefix(image, ours) {
			continue
		}
		found++
		t.Run(name, func(t *testing.T) {
			require.True(t, service.ReadOnly)
			require.Equal(t, []string{"ALL"}, service.CapDrop)
			require.Contains(t, service.SecurityOpt, "no-new-privileges:true")
			require.Positive(t, service.PidsLimit)
			requireFlags(t, image, service.Command)
			if name == "certificates" {
				require.Equal(t, "none", service.NetworkMode)
				return
			}
			require.Equal(t, types.RestartPolicyUnlessStopped, service.Restart)
			require.Positive(t, int64(service.MemLimit))
			require.NotNil(t, service.HealthCheck)
			require.Equal(t, "/"+image, service.HealthCheck.Test[1])
		})
	}
	require.NotZero(t, found)
}

// Goal: a service sees its own key and no other's, and each name that a certificate is made for is one that the service has.
// Method: compare the certificates' volumes and names with the services'.
func TestComposeCertificatesAreTheirOwners(t *testing.T) {
	project := compose(t)
	owners := map[string][]string{}
	for name, service := range project.Services {
		for _, volume := range service.Volumes {
			if strings.HasSuffix(volume.Source, "-certificates") {
				owners[volume.Source] = append(owners[volume.Source], name)
			}
			if name != "certificates" {
				require.NotEqual(t, "authority", volume.Source, name)
			}
		}
	}
	dirs := map[string]string{} // of the directory that a certificate is made in, its volume
	for _, volume := range project.Services["certificates"].Volumes {
		dirs[volume.Target] = volume.Source
	}
	made := 0
	for _, arg := range project.Services["certificates"].Command {
		value, isOne := strings.CutPrefix(arg, "--certificate=")
		if !isOne {
			continue
		}
		made++
		dir, names, _ := strings.Cut(value, "=")
		require.Contains(t, dirs, dir)
		volume := dirs[dir]
		require.Len(t, owners[volume], 2, "the maker and the owner of %s", volume)
		owner := owners[volume][0]
		if owner == "certificates" {
			owner = owners[volume][1]
		}
		for _, name := range strings.Split(names, ",") {
			require.True(t, has(project.Services[owner], name), "%s is not called %s", owner, name)
		}
	}
	require.Equal(t, len(owners), made)
}

// Goal: the certificates of other services, which one authority vouches for, are no members' (an API node's passed for one).
// Method: each member wants a host name that the members' certificates have and no other does.
func TestComposeMembersTakeMembersCertificatesOnly(t *testing.T) {
	project := compose(t)
	wanted := map[string]bool{}
	for name, service := range project.Services {
		if strings.HasPrefix(name, "consensus-") {
			host := ""
			for _, arg := range service.Command {
				if allowed, ok := strings.CutPrefix(arg, "--peer-cert-allowed-hostname="); ok {
					host = allowed
				}
			}
			require.NotEmpty(t, host, name)
			wanted[host] = true
		}
	}
	require.Len(t, wanted, 1)
	for _, arg := range project.Services["certificates"].Command {
		certificate, ok := strings.CutPrefix(arg, "--certificate=/certificates/")
		if !ok {
			continue
		}
		owner, hosts, _ := strings.Cut(certificate, "=")
		for host := range wanted {
			require.Equal(t, strings.HasPrefix(owner, "consensus-"), slices.Contains(strings.Split(hosts, ","), host), owner)
		}
	}
}

// has reports whether other services find a service by the name.
func has(service types.ServiceConfig, name string) bool {
	for _, network := range service.Networks {
		if network != nil && slices.Contains(network.Aliases, name) {
			return true
		}
	}
	return name == service.Name
}

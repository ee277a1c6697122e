package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the repository's.
const root = "../.."

// read returns a file of the repository.
func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	require.NoError(t, err)
	return text
}

// program returns the path of one of our programs, which make build has built.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, "bin", name))
	require.NoError(t, err)
	require.FileExists(t, path, "make build makes it")
	return path
}

// flagName finds flags in a usage text.
var flagName = regexp.MustCompile(`--([a-z0-9-]+)`)

// flags are the names of a program's flags, as it tells itself.
func flags(t *testing.T, name string) []string {
	t.Helper()
	help := "--help"
	if name == "quorate" {
		help = "--help-all" // the other is short
	}
	usage, err := exec.Command(program(t, name), help).CombinedOutput()
	require.NoError(t, err, "%s", usage)
	var names []string
	for _, match := range flagName.FindAllStringSubmatch(string(usage), -1) {
		names = append(names, match[1])
	}
	require.NotEmpty(t, names)
	return names
}

// requireFlags checks that a program has the flags of a command line.
func requireFlags(t *testing.T, name string, args []string) {
	t.Helper()
	known := flags(t, name)
	for _, arg := range args {
		flag, isFlag := strings.CutPrefix(arg, "--")
		if !isFlag {
			continue
		}
		flag, _, _ = strings.Cut(flag, "=")
		require.Contains(t, known, flag, "%s does not know it", name)
	}
}

// Goal: the settings of images exist, and whoever runs one with flags, as the manifests do, may set the same: a member refuses to start where a flag and
// its variable are both set. Method: each variable of an image is a flag's default.
func TestImagesHaveDefaultsAlone(t *testing.T) {
	known := flags(t, "quorate")
	for _, file := range []string{"deploy/Dockerfile", ".ci/packages/image.go"} {
		found := regexp.MustCompile(`\b(?:QUORATE|ETCD)_(\w+)=`).FindAllStringSubmatch(string(read(t, file)), -1)
		require.NotEmpty(t, found, file)
		for _, match := range found {
			name, isDefault := strings.CutPrefix(match[1], "DEFAULT_")
			require.True(t, isDefault, "%s: %s", file, match[0])
			require.Contains(t, known, strings.ReplaceAll(strings.ToLower(name), "_", "-"), file)
		}
	}
}

// Goal: the settings of the systemd unit exist. Method: each variable is a flag's.
func TestSystemdVariablesAreFlags(t *testing.T) {
	known := flags(t, "quorate")
	variable := regexp.MustCompile(`(?m)^(?:Environment=)?QUORATE_(?:DEFAULT_)?([A-Z0-9_]+)=`)
	found := variable.FindAllStringSubmatch(string(read(t, "deploy/systemd/quorate.service"))+string(read(t, "deploy/systemd/quorate.env")), -1)
	require.Greater(t, len(found), 5)
	for _, match := range found {
		flag := strings.ReplaceAll(strings.ToLower(match[1]), "_", "-")
		require.True(t, slices.Contains(known, flag), "quorate has no --%s", flag)
	}
}

package moving

import (
	"context"
	"errors"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fullBytes is how much room the small disk has, and heldBytes about how much is to be written there.
const fullBytes, heldBytes = "1m", 4 << 20

// onSmallDisk runs a command whose directory is a file system of fullBytes with a file named other, in a mount namespace of its own, and returns what the command
// prints, what is in the directory then, and the exit code.
func onSmallDisk(t *testing.T, dir string, args ...string) (said, left string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const script = `mount -t tmpfs -o size=` + fullBytes + ` none "$1" && echo kept >"$1/other" || exit 99
dir=$1; shift; cd "$dir"; "$@"; code=$?; echo "left:" $(ls -A) $(cat other); exit $code`
	out, err := exec.CommandContext(ctx, "unshare", append([]string{"--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", dir}, args...)...).CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Skipf("namespaces cannot be made: %v", err)
	}
	if ended != nil {
		code = ended.ExitCode()
	}
	said, left, found := strings.Cut(string(out), "left:")
	if !found {
		t.Skipf("namespaces, or file systems in them, cannot be made here: %s", out)
	}
	return said, strings.TrimSpace(left), code
}

// Goal: a disk that is full before a restore, an export or a snapshot is whole ends it with that, and leaves the disk as it was. Method: each on a file system
// that is smaller than what is written.
func TestAFullDiskLeavesNothing(t *testing.T) {
	p := built(t)
	first := restored(t, p.quorate, "", "")
	client := dial(t, first, "", "")
	random := rand.NewChaCha8([32]byte{1})
	for range heldBytes >> 16 {
		value := make([]byte, 1<<16)
		_, _ = random.Read(value) // which never fails
		_, err := client.Put(t.Context(), string(value[:8]), string(value))
		require.NoError(t, err)
	}
	snapshot := save(t, first, client)
	for name, args := range map[string][]string{
		"restore":        {"snapshot", "restore", snapshot, "--data-dir", "to"},
		"save":           {"snapshot", "save", "to", "--data-dir", first.DataDir()},
		"export-to-etcd": {"export-to-etcd", first.DataDir(), "--data-dir", "to"},
	} {
		t.Run(name, func(t *testing.T) {
			said, left, code := onSmallDisk(t, t.TempDir(), append([]string{p.quorateutl}, args...)...)
			require.Equal(t, 1, code, said)
			require.Contains(t, said, "no space left on device")
			require.Equal(t, "other kept", left)
		})
	}
}

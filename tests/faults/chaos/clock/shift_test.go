package clock

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// askedEnv makes the test binary the process whose clock is moved: for every line that it reads it tells both its clocks.
const askedEnv = "QUORATE_CHAOS_CLOCK_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(askedEnv) == "" {
		os.Exit(m.Run())
	}
	begin := time.Now()
	// More threads read the clock again and again, so that they are met while they do, and do other work between, so that
	// they are met there too.
	for range 3 {
		go func() {
			for sum := sha256.Sum256(nil); ; sum = sha256.Sum256(sum[:]) {
				_ = time.Now()
			}
		}()
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(time.Now().Unix(), time.Since(begin).Seconds() < 60)
	}
}

// Goal: only the wall clock of only that process moves, as often as asked. Method: a child tells the time while it is moved to and fro.
func TestShift(t *testing.T) {
	child := exec.Command("/proc/self/exe")
	child.Env = append(os.Environ(), askedEnv+"=1")
	in, err := child.StdinPipe()
	require.NoError(t, err)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	answers := bufio.NewReader(out)
	for _, shift := range []time.Duration{0, time.Hour, -24 * time.Hour, 0} {
		if err := Shift(child.Process.Pid, shift); err != nil {
			_ = child.Process.Kill()
			require.NoError(t, err)
		}
		_, err := io.WriteString(in, "time?\n")
		require.NoError(t, err)
		answer, err := answers.ReadString('\n')
		require.NoError(t, err)
		var said int64
		var monotonic bool
		_, err = fmt.Sscan(strings.TrimSpace(answer), &said, &monotonic)
		require.NoError(t, err)
		require.InDelta(t, time.Now().Add(shift).Unix(), said, 5)
		require.True(t, monotonic, "the monotonic clock moved")
	}
	require.NoError(t, in.Close())
	require.NoError(t, child.Wait())
}

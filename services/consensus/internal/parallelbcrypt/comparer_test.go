package parallelbcrypt

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/errgroup"
)

// Goal: passwords match exactly where bcrypt says so. Method: random passwords, of the least and the greatest lengths too, and damaged
// hashes beside the library: damaged anywhere, and where the salt and the sum end, some of whose last bits say nothing.
func TestMatchesIsBcrypts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c := NewComparer(1)
	lengths := []int{0, 1, PasswordBytesMax - 1, PasswordBytesMax}
	for len(lengths) < 10 {
		lengths = append(lengths, r.IntN(PasswordBytesMax+1))
	}
	for n, length := range lengths {
		password := make([]byte, length)
		for i := range password {
			password[i] = byte(r.Uint32())
		}
		// Each cost doubles the time.
		hash, err := bcrypt.GenerateFromPassword(password, bcrypt.MinCost+max(0, n+3-len(lengths)))
		require.NoError(t, err)
		require.True(t, c.Matches(t.Context(), hash, password))
		other := append(password[:len(password):len(password)], 'x')
		if len(other) <= PasswordBytesMax {
			require.False(t, c.Matches(t.Context(), hash, other))
		}
		anywhere := prefixChars + r.IntN(len(hash)-prefixChars) // a damaged cost would take long
		for _, at := range []int{anywhere, prefixChars + saltChars - 1, len(hash) - 1} {
			damaged := bytes.Clone(hash)
			damaged[at] ^= byte(1 << r.IntN(7))
			require.Equal(t, bcrypt.CompareHashAndPassword(damaged, password) == nil, c.Matches(t.Context(), damaged, password), "%q", damaged)
			require.False(t, c.Matches(t.Context(), damaged[:at], password))
		}
	}
	require.False(t, c.Matches(t.Context(), nil, nil))
	require.False(t, c.Matches(t.Context(), []byte("$2a$99$"+string(make([]byte, saltChars+sumChars))), nil))
}

// Goal: comparisons that are computed abreast do not mix, whenever they come and go, and no place is lost. Method: as many callers as there
// are places, on two benches, each with random costs, passwords right and wrong, and some that give up; then all at once again.
func TestComparisonsAbreast(t *testing.T) {
	const passwords, turns = 8, 6
	c := NewComparer(2)
	hashes := make([][]byte, passwords)
	for i := range hashes {
		hash, err := bcrypt.GenerateFromPassword([]byte{byte(i)}, bcrypt.MinCost+i%2)
		require.NoError(t, err)
		hashes[i] = hash
	}
	var callers errgroup.Group
	for caller := range c.Places() {
		callers.Go(func() error {
			r := rand.New(rand.NewPCG(3, uint64(caller)))
			for range turns {
				hash, password := r.IntN(passwords), r.IntN(passwords)
				if r.IntN(3) > 0 {
					password = hash
				}
				ctx, cancel := context.WithCancel(t.Context())
				gone := r.IntN(8) == 0
				if gone {
					cancel()
				}
				assert.Equal(t, hash == password && !gone, c.Matches(ctx, hashes[hash], []byte{byte(password)}))
				cancel()
			}
			return nil
		})
	}
	require.NoError(t, callers.Wait())
	for _, b := range c.mu.benches {
		require.Equal(t, [lanes]*comparison{}, b.taken)
	}
}

// Goal: a comparison ends with its request, whatever cost a hash has that came with it, and others at its bench go on. Method: some that
// would take days, one of which leads, and one that is short.
func TestComparisonEndsWithItsRequest(t *testing.T) {
	days := []byte("$2a$31$" + strings.Repeat("a", saltChars-1) + "." + strings.Repeat("a", sumChars-1) + ".")
	short, err := bcrypt.GenerateFromPassword([]byte("one"), bcrypt.MinCost)
	require.NoError(t, err)
	c := NewComparer(1)
	ctx, cancel := context.WithCancel(t.Context())
	var callers errgroup.Group
	for range lanes - 1 {
		callers.Go(func() error {
			assert.False(t, c.Matches(ctx, days, []byte("one")))
			return nil
		})
	}
	require.True(t, c.Matches(t.Context(), short, []byte("one")))
	cancel()
	require.NoError(t, callers.Wait())
	require.Equal(t, [lanes]*comparison{}, c.mu.benches[0].taken)
}

// BenchmarkMatches says what a comparison costs alone and abreast, beside the library's.
func BenchmarkMatches(b *testing.B) {
	hash, err := bcrypt.GenerateFromPassword([]byte("one"), bcrypt.DefaultCost)
	require.NoError(b, err)
	b.Run("library", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, bcrypt.CompareHashAndPassword(hash, []byte("one")))
		}
	})
	for name, callers := range map[string]int{"alone": 1, "abreast": lanes} {
		b.Run(name, func(b *testing.B) {
			c := NewComparer(1)
			var left errgroup.Group
			each := b.N/callers + 1
			start := time.Now()
			for range callers {
				left.Go(func() error {
					for range each {
						assert.True(b, c.Matches(b.Context(), hash, []byte("one")))
					}
					return nil
				})
			}
			_ = left.Wait()
			b.ReportMetric(float64(time.Since(start).Milliseconds())/float64(each*callers), "ms/comparison")
		})
	}
}

// Goal: what comes by the network is not held up while all processors compute. Method: one processor, a long comparison, and meanwhile one
// byte that goes to and fro over a connection; the runtime alone looks at the network every ten milliseconds.
func TestOthersHearFromTheNetworkMeanwhile(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const cost = 10
	hash, err := bcrypt.GenerateFromPassword([]byte("one"), cost)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	var ends errgroup.Group
	ends.Go(func() error {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = io.Copy(struct{ io.Writer }{conn}, struct{ io.Reader }{conn}) // by this process: the kernel would not need it
		return err
	})
	conn, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	compared := make(chan struct{})
	ends.Go(func() error {
		defer close(compared)
		assert.True(t, NewComparer(1).Matches(t.Context(), hash, []byte("one")))
		return nil
	})
	trips := 0
	for one := make([]byte, 1); ; trips++ {
		_, err := conn.Write(one)
		require.NoError(t, err)
		_, err = io.ReadFull(conn, one)
		require.NoError(t, err)
		select {
		case <-compared:
			require.NoError(t, conn.Close())
			require.NoError(t, ends.Wait())
			require.Greater(t, trips, 1<<cost/8) // rounds
			return
		default:
		}
	}
}

package badinput

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// damagesPerFile is at how many places each file is damaged, one place a start.
const damagesPerFile = 3

// Goal: damage to a file is found, or harmless, and never taken for less data. Method: a member with compacted history and some that is only in its
// log is killed; then one byte of one file of a copy is changed, or the file removed. Either the start, or reading everything, is refused with a
// message, or everything is there.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	s := newServer(t, filepath.Join(t.TempDir(), "data"))
	require.NoError(t, s.Start(harness.Context(t)))
	client := harness.Client(t, s)
	value := strings.Repeat("v", 1000)
	want := map[string]string{}
	put := func(from, to int) {
		for i := from; i < to; i++ {
			key := fmt.Sprintf("%04d", i)
			want[key] = fmt.Sprint(i, value)
			_, err := client.Put(harness.Context(t), key, want[key])
			require.NoError(t, err)
		}
	}
	put(0, 200)
	_, err := client.Compact(harness.Context(t), 150, clientv3.WithCompactPhysical())
	require.NoError(t, err)
	put(200, 250)
	s.Kill()
	require.NoError(t, s.Start(harness.Context(t)))
	put(250, 300)
	s.Kill()

	var files []string
	require.NoError(t, filepath.WalkDir(s.DataDir(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && d.Name() != "LOCK" {
			files = append(files, strings.TrimPrefix(path, s.DataDir()))
		}
		return err
	}))
	require.NotEmpty(t, files)
	refused := 0
	for _, file := range files {
		for place := range damagesPerFile {
			t.Run(fmt.Sprintf("%s at %d of %d", file, place, damagesPerFile), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "data")
				require.NoError(t, os.CopyFS(dir, os.DirFS(s.DataDir())))
				data, err := os.ReadFile(dir + file)
				require.NoError(t, err)
				if len(data) == 0 {
					t.Skip("there is nothing in it")
				}
				data[(len(data)*(2*place+1))/(2*damagesPerFile)] ^= 0x40
				require.NoError(t, os.WriteFile(dir+file, data, 0o600))
				if serves(t, dir, want) {
					return
				}
				refused++
			})
		}
	}
	require.Positive(t, refused, "no damage was noticed at all")
}

// serves starts a member and reports whether it serves everything; otherwise it must have refused with a reason.
func serves(t *testing.T, dir string, want map[string]string) bool {
	t.Helper()
	s := newServer(t, dir)
	if err := s.Start(harness.Context(t)); err != nil {
		require.NotErrorIs(t, err, harness.ErrHung)
		code, err := s.Wait(time.Second)
		require.NoError(t, err)
		require.NotZero(t, code)
		require.NotContains(t, s.Output(), "goroutine ", "a crash is no message")
		require.Contains(t, s.Output(), dir, "the message should say where")
		return false
	}
	defer s.Kill()
	client := harness.Client(t, s)
	resp, err := client.Get(harness.Context(t), "", clientv3.WithPrefix())
	if err != nil {
		return false
	}
	got := map[string]string{}
	for _, kv := range resp.Kvs {
		got[string(kv.Key)] = string(kv.Value)
	}
	require.Equal(t, len(want), len(got), "keys are gone without a word")
	require.Equal(t, want, got)
	return true
}

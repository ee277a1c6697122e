package consensus

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// Who the member is, is asked where the directory holds none, and not again: neither after a start that worked nor
// after one that was stopped by a power cut once the answer was written. A first start that got no answer asks again.
func TestFoundingIsAskedOnce(t *testing.T) {
	disk := vfs.NewCrashableMem()
	cfg := testConfig(disk)
	founding := Founding{ClusterID: cfg.ClusterID, MemberID: cfg.MemberID, Members: cfg.Members}
	cfg.ClusterID, cfg.MemberID, cfg.Members = 0, 0, nil
	errNobody := errors.New("nobody answers")
	cfg.Found = func() (Founding, error) { return Founding{}, errNobody }
	_, err := New(cfg)
	require.ErrorIs(t, err, errNobody)

	asked := 0
	cfg.Found = func() (Founding, error) { asked++; return founding, nil }
	m, err := New(cfg)
	require.NoError(t, err)
	require.Equal(t, founding.MemberID, m.MemberID())
	crashed := disk.CrashClone(vfs.CrashCloneCfg{})
	require.NoError(t, m.Close())
	for _, fs := range []vfs.FS{crashed, disk} {
		cfg.FS = fs
		again := start(t, cfg)
		require.Equal(t, founding.ClusterID, again.ClusterID())
		again.mustPut(t, "key", "value")
	}
	require.Equal(t, 1, asked)
}

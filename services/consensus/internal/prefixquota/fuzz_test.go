package prefixquota

import "testing"

// FuzzRecords: whatever records of quotas a snapshot brings, reading them ends.
func FuzzRecords(f *testing.F) {
	f.Add("a", []byte{8, 1}, encodeUse(Use{Keys: 1, Bytes: 2}))
	f.Add("", []byte{0xff}, []byte("x"))
	f.Fuzz(func(_ *testing.T, prefix string, spec, use []byte) {
		_, _ = Load(func(fn func(name string, value []byte) error) error {
			if err := fn(recordUse+prefix, use); err != nil {
				return err
			}
			return fn(recordSpec+prefix, spec)
		})
		_, _ = Before(Use{}, use)
	})
}

package output

import "fmt"

// SnapshotStatus is what etcdutl prints of a snapshot's file.
func SnapshotStatus(hash uint32, revision int64, keys int, size int64, version string) Answer {
	row := []string{fmt.Sprintf("%x", hash), fmt.Sprint(revision), fmt.Sprint(keys), humanBytes(size), version}
	return Answer{
		Simple: func(t *Text) { t.row(row) },
		Fields: func(t *Text) {
			t.field("Hash", hash)
			t.field("Revision", revision)
			t.field("Keys", keys)
			t.field("Size", size)
			t.field("Version", version)
		},
		Table: func() Rows {
			return Rows{Header: []string{"hash", "revision", "total keys", "total size", "version"}, Rows: [][]string{row}}
		},
		JSON: struct {
			Hash      uint32 `json:"hash"`
			Revision  int64  `json:"revision"`
			TotalKey  int    `json:"totalKey"`
			TotalSize int64  `json:"totalSize"`
			Version   string `json:"version"`
		}{hash, revision, keys, size, version},
	}
}

// FileHashKV is what etcdutl prints of the keys in a file.
func FileHashKV(hash uint32, revision, compacted int64) Answer {
	row := []string{fmt.Sprint(hash), fmt.Sprint(revision), fmt.Sprint(compacted)}
	return Answer{
		Simple: func(t *Text) { t.row(row) },
		Fields: func(t *Text) {
			t.field("Hash", hash)
			t.field("Hash revision", revision)
			t.field("Compact revision", compacted)
		},
		Table: func() Rows {
			return Rows{Header: []string{"hash", "hash revision", "compact revision"}, Rows: [][]string{row}}
		},
		JSON: struct {
			Hash            uint32 `json:"hash"`
			HashRevision    int64  `json:"hashRevision"`
			CompactRevision int64  `json:"compactRevision"`
		}{hash, revision, compacted},
	}
}

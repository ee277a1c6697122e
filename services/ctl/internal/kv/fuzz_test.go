package kv

import "testing"

// FuzzTxnLine: whatever stands on a line of a transaction, reading it ends, as a comparison and as an operation.
func FuzzTxnLine(f *testing.F) {
	f.Add(`mod("key") > "5"`)
	f.Add(`value("\xff") != "\u00e4"`)
	f.Add("put key value --lease=1234")
	f.Add(`get "a b" --prefix --sort-by=KEY`)
	f.Add(`del 'a`)
	f.Fuzz(func(_ *testing.T, line string) {
		_, _ = parseCompare(line)
		_, _ = parseOperation(line)
	})
}

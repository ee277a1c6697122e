package auditlog

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"
)

// tailLookedMax is how much of the file's end is looked at for its last lines.
const tailLookedMax = 1 << 20

// Kept tells whether lines are kept in a file, from which Tail reads them.
func (a *Auditor) Kept() bool { return a != nil && a.path != "" }

// Tail returns the last lines of the file, limit at most, as far as they are in its last MiB; after a rotation there may be few.
func (a *Auditor) Tail(limit int) (lines []string, err error) {
	f, err := os.Open(a.path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, info.Size()-tailLookedMax)
	end, err := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	if err != nil {
		return nil, err
	}
	if from > 0 {
		_, end, _ = bytes.Cut(end, []byte{'\n'}) // the first line is not whole
	}
	if whole := bytes.LastIndexByte(end, '\n'); whole+1 < len(end) {
		end = end[:whole+1] // the last one is being written
	}
	lines = slices.Collect(strings.Lines(string(end)))
	lines = lines[max(0, len(lines)-limit):]
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\n")
	}
	return lines, nil
}

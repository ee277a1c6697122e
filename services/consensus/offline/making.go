package offline

import "io"

// making tells how far the making of a snapshot's file is, in bytes of versions, each of which is read, written in order, and copied to where it stays: three
// times as many in all. Before all are read, how many there are is estimated.
type making struct {
	told      func(done, total int64) // nil for nobody
	estimated int64
	read      int64
}

// built is told how much was read and written.
func (m *making) built(read, written int64) {
	m.read = read
	total := read
	if written == 0 {
		total = max(read, m.estimated)
	}
	m.tell(read+written, total)
}

// copied is told how many of the file's bytes are where they stay.
func (m *making) copied(n, size int64) {
	if size > 0 {
		m.tell(2*m.read+int64(float64(m.read)*float64(n)/float64(size)), m.read)
	}
}

func (m *making) tell(done, each int64) {
	if m.told != nil {
		m.told(done, 3*each)
	}
}

// counted tells how much is written through it.
type counted struct {
	to      io.Writer
	n, size int64
	of      *making
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	c.of.copied(c.n, c.size)
	return n, err
}

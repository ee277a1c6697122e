package mvcc

import "fmt"

// Checkpoint makes a copy of the store in dir, which must not exist, by links where the filesystem has them. It holds
// all that was committed before the call, and perhaps some of what was committed since; Open tells how far it goes.
func (s *Store) Checkpoint(dir string) error {
	// There is no write-ahead file to copy: what is not flushed would be missing.
	if err := s.Flush(); err != nil {
		return err
	}
	if err := s.db.Checkpoint(dir); err != nil {
		return fmt.Errorf("checkpoint into %s: %w", dir, err)
	}
	return nil
}

package logging

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
)

// Outputs is everything that a line is written to. Its methods may be called concurrently.
type Outputs struct {
	writers []io.Writer
	files   []reopener
	// level is what is logged, usual what --log-level says.
	level slog.LevelVar
	usual slog.Level
}

// reopener is a file.
type reopener interface {
	io.Writer
	reopen() error
	close() error
}

// file is a file that can be opened again under its name, while it is written to.
type file struct {
	name string
	mu   struct {
		sync.Mutex
		open *os.File
	}
}

func openOutputs(names []string, rotation *Rotation) (*Outputs, error) {
	if len(names) == 0 {
		names = []string{"default"}
	}
	o := &Outputs{}
	if slices.Contains(names, os.DevNull) {
		return o, nil
	}
	opened := map[string]bool{}
	for _, name := range names {
		if name == "default" || name == "systemd/journal" {
			name = "stderr"
		}
		if opened[name] {
			continue
		}
		opened[name] = true
		if err := o.open(name, rotation); err != nil {
			return nil, errors.Join(fmt.Errorf("--log-outputs: %w", err), o.Close())
		}
	}
	return o, nil
}

func (o *Outputs) open(name string, rotation *Rotation) error {
	switch name {
	case "stderr":
		o.writers = append(o.writers, os.Stderr)
	case "stdout":
		o.writers = append(o.writers, os.Stdout)
	default:
		var f reopener = &file{name: name}
		if rotation != nil {
			f = rotation.file(name)
		}
		if err := f.reopen(); err != nil {
			return err
		}
		o.writers, o.files = append(o.writers, f), append(o.files, f)
	}
	return nil
}

// Write hands the line to every output, also when one fails: a full disk must not silence stderr.
func (o *Outputs) Write(line []byte) (int, error) {
	var wrong []error
	for _, w := range o.writers {
		_, err := w.Write(line)
		wrong = append(wrong, err)
	}
	return len(line), errors.Join(wrong...)
}

// Reopen opens the files anew under their names, for whoever has renamed them to keep them. Where that fails the open one goes on
// being written to.
func (o *Outputs) Reopen() error {
	var wrong []error
	for _, f := range o.files {
		wrong = append(wrong, f.reopen())
	}
	return errors.Join(wrong...)
}

// ToggleDebug has everything logged that there is, or again what --log-level says. It returns the level that counts now.
func (o *Outputs) ToggleDebug() string {
	if o.level.Level() == slog.LevelDebug {
		o.level.Set(max(o.usual, slog.LevelInfo))
	} else {
		o.level.Set(slog.LevelDebug)
	}
	return strings.ToLower(o.level.Level().String())
}

// Close closes the files.
func (o *Outputs) Close() error {
	var wrong []error
	for _, f := range o.files {
		wrong = append(wrong, f.close())
	}
	return errors.Join(wrong...)
}

func (f *file) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.open.Write(line)
}

func (f *file) reopen() error {
	opened, err := os.OpenFile(f.name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	f.mu.Lock()
	before := f.mu.open
	f.mu.open = opened
	f.mu.Unlock()
	if before == nil {
		return nil
	}
	return before.Close()
}

func (f *file) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.open.Close()
}

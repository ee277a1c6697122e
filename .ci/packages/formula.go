package main

import (
	"io"
	"path/filepath"
	"text/template"
)

// formula fills in Homebrew's, which builds from the archive of the source.
func (b *build) formula() error {
	parsed, err := template.ParseFiles(filepath.Join(b.root, "deploy/packages/quorate.rb"))
	if err != nil {
		return err
	}
	sum, err := sumOf(b.source)
	if err != nil {
		return err
	}
	return write(filepath.Join(b.out, "quorate.rb"), func(w io.Writer) error {
		return parsed.Execute(w, map[string]string{
			"Version": b.version, "Describe": b.described, "Tag": b.described, "Source": filepath.Base(b.source), "SHA256": sum,
		})
	})
}

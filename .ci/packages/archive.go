package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// archive packs files for who installs nothing: programs, licence and readme at the top, the rest in folders.
func (b *build) archive(p platform, files []file) error {
	name := b.path("_%s_%s.tar.gz", p.os, p.arch)
	top := strings.TrimSuffix(filepath.Base(name), ".tar.gz")
	return write(name, func(w io.Writer) error {
		packed, err := gzip.NewWriterLevel(w, gzip.BestCompression)
		if err != nil {
			return err
		}
		out := tar.NewWriter(packed)
		for _, f := range files {
			path := f.path
			for prefix, folder := range map[string]string{
				"usr/bin/": "", "usr/share/doc/quorate/": "", "usr/share/man/man1/": "manual/", "usr/share/bash-completion/completions/": "completion/bash/",
				"usr/share/fish/vendor_completions.d/": "completion/fish/", "usr/share/zsh/vendor-completions/": "completion/zsh/",
			} {
				if rest, ok := strings.CutPrefix(path, prefix); ok {
					path = folder + rest
				}
			}
			if err := b.add(out, file{top + "/" + path, f.data, f.mode}); err != nil {
				return err
			}
		}
		return errors.Join(out.Close(), packed.Close())
	})
}

// add puts a file of the build's time and of nobody into a tar archive.
func (b *build) add(out *tar.Writer, f file) error {
	header := &tar.Header{Name: f.path, Typeflag: tar.TypeReg, Mode: int64(f.mode), Size: int64(len(f.data)), ModTime: b.time, Format: tar.FormatUSTAR}
	if err := out.WriteHeader(header); err != nil {
		return err
	}
	_, err := out.Write(f.data)
	return err
}

// write makes a file of what fill writes.
func write(name string, fill func(io.Writer) error) error {
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := errors.Join(fill(out), out.Close()); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	fmt.Println(name)
	return nil
}

// checksums lists what was made, for sha256sum --check.
func (b *build) checksums() error {
	names, err := filepath.Glob(filepath.Join(b.out, "*"))
	if err != nil {
		return err
	}
	return write(filepath.Join(b.out, "SHA256SUMS"), func(w io.Writer) error {
		for _, name := range names {
			if info, err := os.Stat(name); err != nil || info.IsDir() || filepath.Base(name) == "SHA256SUMS" {
				continue
			}
			sum, err := sumOf(name)
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "%s  %s\n", sum, filepath.Base(name))
		}
		return nil
	})
}

func sumOf(name string) (string, error) {
	in, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer in.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, in); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// file is one of those that are installed.
type file struct {
	path string // below the root of a host
	data []byte
	mode os.FileMode
}

// tools are the programs beside the server; each prints the scripts with which shells complete its commands.
var tools = []string{"quoratectl", "quorateutl"}

// sharedFiles are those that every platform has alike.
func (b *build) sharedFiles() ([]file, error) {
	var files []file
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		data, err := os.ReadFile(filepath.Join(b.root, name))
		if err != nil {
			return nil, err
		}
		files = append(files, file{"usr/share/doc/quorate/" + name, data, 0o644})
	}
	pages, err := b.pages()
	if err != nil {
		return nil, err
	}
	scripts, err := b.completions()
	return slices.Concat(files, pages, scripts), err
}

func (b *build) hostProgram(name string) string { return filepath.Join(b.programs, b.host, name) }

// pages are the manual, compressed as distributions have it.
func (b *build) pages() ([]file, error) {
	names, err := filepath.Glob(filepath.Join(b.manual, "*.1"))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("no manual pages in %s: %w", b.manual, err)
	}
	help, err := exec.Command(b.hostProgram("quorate"), "--help-all").Output()
	if err != nil {
		return nil, fmt.Errorf("quorate --help-all: %w", err)
	}
	texts := map[string][]byte{"quorate.1": serverPage(string(help))}
	for _, name := range names {
		if texts[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			return nil, err
		}
	}
	var files []file
	for name, text := range texts {
		var packed bytes.Buffer
		w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		_, _ = w.Write(text)
		_ = w.Close()
		files = append(files, file{"usr/share/man/man1/" + name + ".gz", packed.Bytes(), 0o644})
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.path, b.path) })
	return files, nil
}

// serverPage is the server's help as a manual page.
func serverPage(help string) []byte {
	help = strings.ReplaceAll(help, `\`, `\e`)
	help = strings.ReplaceAll(help, "-", `\-`)
	var lines strings.Builder
	for line := range strings.Lines(help) {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			line = `\&` + line
		}
		lines.WriteString(line)
	}
	return []byte(`.TH "QUORATE" "1" "" "Quorate" "Quorate"
.SH NAME
quorate \- a distributed coordination store that speaks etcd's APIs
.SH DESCRIPTION
.nf
` + lines.String() + `.fi
.SH SEE ALSO
quoratectl(1), quorateutl(1)
`)
}

func (b *build) completions() ([]file, error) {
	var files []file
	for _, tool := range tools {
		for shell, path := range map[string]string{
			"bash": "usr/share/bash-completion/completions/" + tool,
			"fish": "usr/share/fish/vendor_completions.d/" + tool + ".fish",
			"zsh":  "usr/share/zsh/vendor-completions/_" + tool,
		} {
			script, err := exec.Command(b.hostProgram(tool), "completion", shell).Output()
			if err != nil {
				return nil, fmt.Errorf("%s completion %s: %w", tool, shell, err)
			}
			files = append(files, file{path, script, 0o644})
		}
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.path, b.path) })
	return files, nil
}

// platforms are the folders of programs.
func (b *build) platforms() ([]platform, error) {
	dirs, err := filepath.Glob(filepath.Join(b.programs, "*_*"))
	if err != nil || len(dirs) == 0 {
		return nil, fmt.Errorf("no programs in %s: %w", b.programs, err)
	}
	var all []platform
	for _, dir := range dirs {
		system, arch, _ := strings.Cut(filepath.Base(dir), "_")
		all = append(all, platform{system, arch, dir})
	}
	return all, nil
}

// files are what is installed on a platform, the programs first.
func (p platform) files(shared []file) ([]file, error) {
	var files []file
	for _, name := range append([]string{"quorate"}, tools...) {
		data, err := os.ReadFile(filepath.Join(p.dir, name))
		if err != nil {
			return nil, err
		}
		files = append(files, file{"usr/bin/" + name, data, 0o755})
	}
	return append(files, shared...), nil
}

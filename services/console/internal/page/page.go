package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// Policy is what a browser is told that the page may do: load its own files and call its own server, and nothing else.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const (
	index = "index.html"
	// assets is where files have a hash of their content in their names, so that they never change.
	assets = "assets/"
	// compressedMin is from how many bytes on a file is worth to be compressed.
	compressedMin = 512
)

// file is one file in memory, the way it is sent.
type file struct {
	kind, tag         string
	plain, compressed []byte // compressed is nil where that does not make it smaller
}

// Page serves the files of a build. Its handler may be called concurrently.
type Page struct {
	prefix string
	files  map[string]file
}

// New reads the files of a build below prefix, "/console/". It fails if there is no index.html.
func New(prefix string, build fs.FS) (*Page, error) {
	p := &Page{prefix: prefix, files: map[string]file{}}
	err := fs.WalkDir(build, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(build, name)
		if err != nil {
			return err
		}
		read, err := newFile(name, content)
		p.files[name] = read
		return err
	})
	if err == nil {
		if _, ok := p.files[index]; !ok {
			err = errors.New("there is no " + index)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the console's files: %w", err)
	}
	return p, nil
}

func newFile(name string, content []byte) (file, error) {
	sum := sha256.Sum256(content)
	f := file{plain: content, kind: mime.TypeByExtension(path.Ext(name)), tag: `"` + hex.EncodeToString(sum[:8]) + `"`}
	if f.kind == "" {
		f.kind = "application/octet-stream"
	}
	if len(content) < compressedMin {
		return f, nil
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return f, err
	}
	if _, err := w.Write(content); err != nil {
		return f, err
	}
	if err := w.Close(); err != nil {
		return f, err
	}
	if packed.Len() < len(content) {
		f.compressed = packed.Bytes()
	}
	return f, nil
}

// ServeHTTP implements http.Handler.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", Policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, p.prefix)
	if name == "" {
		name = index
	}
	f, ok := p.files[name]
	if !ok {
		http.Error(w, "there is no such file of the console; it begins at "+p.prefix, http.StatusNotFound)
		return
	}
	f.send(w, r, strings.HasPrefix(name, assets))
}

func (f file) send(w http.ResponseWriter, r *http.Request, forever bool) {
	header := w.Header()
	header.Set("Cache-Control", "no-cache")
	if forever {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	header.Set("ETag", f.tag)
	header.Set("Vary", "Accept-Encoding")
	if r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.plain
	if f.compressed != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		header.Set("Content-Encoding", "gzip")
		body = f.compressed
	}
	header.Set("Content-Type", f.kind)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body)
	}
}

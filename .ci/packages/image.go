package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// nobody is whom the image's program runs as, and who owns its data.
const nobody = 65532

// image writes the server's image as an archive of the OCI's layout, in which engines that are too old for that find what docker save had: a
// manifest.json. It is what deploy/Dockerfile makes with an engine.
func (b *build) image(p platform, files []file) error {
	if p.os != "linux" {
		return nil
	}
	layer, err := b.layer(files[0].data)
	if err != nil {
		return err
	}
	image, err := mutate.Append(mutate.MediaType(mutate.ConfigMediaType(empty.Image, types.OCIConfigJSON), types.OCIManifestSchema1), mutate.Addendum{
		Layer: layer, MediaType: types.OCILayer, History: v1.History{CreatedBy: "make packages", Created: v1.Time{Time: b.time}},
	})
	if err != nil {
		return err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created, config.Config = p.os, p.arch, v1.Time{Time: b.time}, b.imageConfig()
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(b.programs, "image")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	index, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	tag := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "latest", "io.containerd.image.name": "docker.io/library/quorate:latest"})
	if err := index.AppendImage(image, tag); err != nil {
		return err
	}
	if err := forDocker(dir, image); err != nil {
		return err
	}
	return write(b.path("_%s.oci.tar", p.arch), func(w io.Writer) error { return b.tree(w, dir) })
}

// imageConfig is how the image is run; deploy/Dockerfile says why.
func (b *build) imageConfig() v1.Config {
	return v1.Config{
		User: "65532:65532",
		Env: []string{
			"QUORATE_DEFAULT_DATA_DIR=/data",
			"QUORATE_DEFAULT_LISTEN_CLIENT_URLS=http://0.0.0.0:2379",
			"QUORATE_DEFAULT_ADVERTISE_CLIENT_URLS=http://localhost:2379",
			"QUORATE_DEFAULT_LISTEN_PEER_URLS=http://0.0.0.0:2380",
			"QUORATE_DEFAULT_LISTEN_METRICS_URLS=http://127.0.0.1:2381",
		},
		Volumes:      map[string]struct{}{"/data": {}},
		ExposedPorts: map[string]struct{}{"2379/tcp": {}, "2380/tcp": {}},
		Entrypoint:   []string{"/quorate"},
		Healthcheck: &v1.HealthConfig{
			Test:     []string{"CMD", "/quorate", "health", "--url", "http://127.0.0.1:2381/readyz"},
			Interval: 5 * time.Second, Timeout: 11 * time.Second, StartPeriod: 30 * time.Second,
		},
		Labels: map[string]string{
			"org.opencontainers.image.title":       "quorate",
			"org.opencontainers.image.description": "The whole store in one process",
			"org.opencontainers.image.vendor":      "Quorate",
			"org.opencontainers.image.licenses":    "Apache-2.0",
			"org.opencontainers.image.version":     b.described,
			"org.opencontainers.image.revision":    b.revision,
		},
	}
}

// layer holds the program, and the folder of its data, which is its owner's alone.
func (b *build) layer(program []byte) (v1.Layer, error) {
	var content bytes.Buffer
	out := tar.NewWriter(&content)
	data := &tar.Header{Name: "data/", Typeflag: tar.TypeDir, Mode: 0o700, Uid: nobody, Gid: nobody, ModTime: b.time, Format: tar.FormatUSTAR}
	if err := errors.Join(out.WriteHeader(data), b.add(out, file{"quorate", program, 0o755}), out.Close()); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.Bytes())), nil }, tarball.WithMediaType(types.OCILayer))
}

// forDocker adds what docker load looks for, naming the blobs of the layout.
func forDocker(dir string, image v1.Image) error {
	config, err := image.ConfigName()
	if err != nil {
		return err
	}
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	blob := func(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }
	var blobs []string
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			return err
		}
		blobs = append(blobs, blob(digest))
	}
	text, err := json.Marshal([]map[string]any{{"Config": blob(config), "RepoTags": []string{"quorate:latest"}, "Layers": blobs}})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "manifest.json"), text, 0o644)
}

// tree packs the files below a folder in the order of their names.
func (b *build) tree(w io.Writer, dir string) error {
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(names)
	out := tar.NewWriter(w)
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if err := b.add(out, file{filepath.ToSlash(rel), data, 0o644}); err != nil {
			return err
		}
	}
	return out.Close()
}

package main

import (
	"debug/buildinfo"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
)

// modules writes which modules the programs of a platform are made of, as Go has noted it in them: a software bill of materials.
func (b *build) modules(p platform, _ []file) error {
	components := map[string]cyclonedx.Component{}
	for _, name := range append([]string{"quorate"}, tools...) {
		noted, err := buildinfo.ReadFile(filepath.Join(p.dir, name))
		if err != nil {
			return err
		}
		standard := &goModule{"stdlib", strings.TrimPrefix(noted.GoVersion, "go")}
		components[standard.url()] = standard.component()
		for _, dependency := range noted.Deps {
			m := &goModule{dependency.Path, dependency.Version}
			if r := dependency.Replace; r != nil && r.Version != "" {
				m = &goModule{r.Path, r.Version}
			} else if r != nil {
				m.version = b.described // of this repository
			}
			components[m.url()] = m.component()
		}
	}
	list := []cyclonedx.Component{}
	for _, url := range slices.Sorted(maps.Keys(components)) {
		list = append(list, components[url])
	}
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{
		Timestamp: b.time.Format(time.RFC3339),
		Component: &cyclonedx.Component{Type: cyclonedx.ComponentTypeApplication, BOMRef: "quorate", Name: "quorate", Version: b.version},
	}
	bom.Components = &list
	return write(b.path("_%s_%s.cdx.json", p.os, p.arch), func(w io.Writer) error {
		return cyclonedx.NewBOMEncoder(w, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
	})
}

type goModule struct{ path, version string }

func (m *goModule) url() string { return fmt.Sprintf("pkg:golang/%s@%s", m.path, m.version) }

func (m *goModule) component() cyclonedx.Component {
	return cyclonedx.Component{Type: cyclonedx.ComponentTypeLibrary, BOMRef: m.url(), Name: m.path, Version: m.version, PackageURL: m.url()}
}

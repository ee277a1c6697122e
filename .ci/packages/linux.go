package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"
)

// defaults is where the settings of the service are, in packages of either kind.
const defaults = "etc/default/quorate"

func (b *build) deb(p platform, installed []file) error {
	if p.os != "linux" {
		return nil
	}
	info, err := b.linux(p, installed)
	if err != nil {
		return err
	}
	scripts := filepath.Join(b.root, "deploy/packages/deb")
	info.Section, info.Priority = "database", "optional"
	info.Depends = []string{"passwd", "init-system-helpers (>= 1.54)"}
	info.Recommends = []string{"debconf (>= 0.5) | debconf-2.0"}
	info.Scripts = nfpm.Scripts{
		PostInstall: filepath.Join(scripts, "postinst"), PreRemove: filepath.Join(scripts, "prerm"), PostRemove: filepath.Join(scripts, "postrm"),
	}
	info.Deb.Scripts.Templates = filepath.Join(scripts, "templates")
	return pack(b.path("_%s.deb", p.arch), deb.Default, info)
}

func (b *build) rpm(p platform, installed []file) error {
	if p.os != "linux" {
		return nil
	}
	info, err := b.linux(p, installed)
	if err != nil {
		return err
	}
	scripts := filepath.Join(b.root, "deploy/packages/rpm")
	info.Release = "1"
	info.RPM.Summary, info.RPM.BuildHost = "Distributed coordination store that speaks etcd's APIs", "quorate"
	info.Depends = []string{"/usr/sbin/useradd", "/usr/bin/getent"}
	info.Scripts = nfpm.Scripts{
		PostInstall: filepath.Join(scripts, "post"), PreRemove: filepath.Join(scripts, "preun"), PostRemove: filepath.Join(scripts, "postun"),
	}
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[p.arch]
	return pack(b.path("-1.%s.rpm", arch), rpm.DefaultRPM, info)
}

func pack(name string, packager nfpm.Packager, info *nfpm.Info) error {
	info.Target = name
	return write(name, func(w io.Writer) error { return packager.Package(nfpm.WithDefaults(info), w) })
}

// linux is what packages of both kinds have: the files, the service and its settings. nfpm takes files from a disk, so that they are put there.
func (b *build) linux(p platform, installed []file) (*nfpm.Info, error) {
	unit, err := b.unit()
	if err != nil {
		return nil, err
	}
	settings, err := os.ReadFile(filepath.Join(b.root, "deploy/packages/quorate.default"))
	if err != nil {
		return nil, err
	}
	info := &nfpm.Info{
		Name: "quorate", Arch: p.arch, Platform: p.os, Version: b.version, VersionSchema: "none", MTime: b.time, DisableGlobbing: true,
		Maintainer: "The Quorate authors <packages@quorate.invalid>", Vendor: "Quorate", Homepage: "https://github.com/quoratedb/quorate", License: "Apache-2.0",
		Description: "Distributed coordination store that speaks etcd's APIs\n" +
			"Keys with revisions, transactions, leases and watches, for the clients and tools of etcd. It has the server quorate,\n" +
			"a service of it, and the command-line tools quoratectl and quorateutl.",
	}
	all := append([]file{{"usr/lib/systemd/system/quorate.service", unit, 0o644}, {defaults, settings, 0o644}}, installed...)
	stage := filepath.Join(b.programs, "stage", p.arch)
	for _, f := range all {
		staged := filepath.Join(stage, f.path)
		if err := os.MkdirAll(filepath.Dir(staged), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(staged, f.data, f.mode); err != nil {
			return nil, err
		}
		content := &files.Content{Source: staged, Destination: "/" + f.path, FileInfo: &files.ContentFileInfo{Mode: f.mode, MTime: b.time, Owner: "root", Group: "root"}}
		if f.path == defaults {
			content.Type = files.TypeConfigNoReplace
		}
		info.Contents = append(info.Contents, content)
	}
	return info, nil
}

// unit is the one of deploy/systemd with the places that packages use.
func (b *build) unit() ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(b.root, "deploy/systemd/quorate.service"))
	if err != nil {
		return nil, err
	}
	unit := string(data)
	for _, c := range [][2]string{{"/usr/local/bin/quorate", "/usr/bin/quorate"}, {"/etc/quorate/quorate.env", "/" + defaults}, {"; see quorate.env beside this file", ""}} {
		if !strings.Contains(unit, c[0]) {
			return nil, fmt.Errorf("deploy/systemd/quorate.service has no %q any more, in whose place packages have %q", c[0], c[1])
		}
		unit = strings.ReplaceAll(unit, c[0], c[1])
	}
	return []byte(unit), nil
}

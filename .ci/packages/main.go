// Command packages makes of built programs what people install: packages for Debian and RPM, archives, an image for each Linux
// architecture, lists of the modules in them, a Homebrew formula, and checksums of all of it. The same programs, version and time give the same bytes.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func main() {
	var b build
	seconds := flag.Int64("time", 0, "time of the files, in seconds since 1970: the commit's")
	flag.StringVar(&b.root, "root", ".", "the repository")
	flag.StringVar(&b.programs, "programs", "", "folder with a folder OS_ARCHITECTURE of programs for each platform")
	flag.StringVar(&b.host, "host", "", "which of these platforms can be run here")
	flag.StringVar(&b.manual, "manual", "", "folder with the command-line tools' manual pages")
	flag.StringVar(&b.source, "source", "", "archive of the source")
	flag.StringVar(&b.out, "out", "", "where what is made goes")
	flag.StringVar(&b.described, "version", "", "what git describe says")
	commits := flag.Int("commits", 0, "how many commits led here, for a version where no tag did")
	flag.StringVar(&b.revision, "revision", "", "the commit")
	flag.Parse()
	b.time, b.version = time.Unix(*seconds, 0).UTC(), packageVersion(b.described, *commits)
	if err := b.run(); err != nil {
		fmt.Fprintln(os.Stderr, "packages:", err)
		os.Exit(1)
	}
}

// build is what one run makes packages of.
type build struct {
	root, programs, host, manual, source, out string
	described, version, revision              string
	time                                      time.Time
}

// platform is one folder of programs.
type platform struct{ os, arch, dir string }

func (b *build) run() error {
	shared, err := b.sharedFiles()
	if err != nil {
		return err
	}
	platforms, err := b.platforms()
	if err != nil {
		return err
	}
	for _, p := range platforms {
		files, err := p.files(shared)
		if err != nil {
			return err
		}
		for _, make := range []func(platform, []file) error{b.archive, b.modules, b.deb, b.rpm, b.image} {
			if err := make(p, files); err != nil {
				return fmt.Errorf("%s_%s: %w", p.os, p.arch, err)
			}
		}
	}
	if err := b.formula(); err != nil {
		return err
	}
	return b.checksums()
}

// path is where a file goes that is made.
func (b *build) path(format string, args ...any) string {
	return filepath.Join(b.out, "quorate_"+b.version+fmt.Sprintf(format, args...))
}

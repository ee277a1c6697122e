// Command release tags a commit with a version, and makes one beside it from which the repository's Go modules can be fetched by that version. On the
// branch the modules find each other by replace lines, which nobody but the main module heeds; in the commit they ask for each other's version, and
// their go.sum has each other's checksums. It also writes the modules as a proxy on the file system. It pushes nothing.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/semver"
)

func main() {
	repository := flag.String("repository", ".", "where the commit and the tags go")
	version := flag.String("version", "", "vMAJOR.MINOR.PATCH")
	proxy := flag.String("proxy", "", "folder for the modules as a file-system proxy has them")
	flag.Parse()
	if err := run(*repository, *version, *proxy); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(repository, version, proxy string) (err error) {
	if semver.Canonical(version) != version || semver.Major(version) != "v0" && semver.Major(version) != "v1" {
		return fmt.Errorf("VERSION=%q: want v0.MINOR.PATCH or v1.MINOR.PATCH", version)
	}
	dirty, err := git(repository, "status", "--porcelain")
	if err != nil {
		return err
	}
	if dirty != "" {
		return errors.New("there are changes that are not committed: a release is of a commit")
	}
	tree, err := os.MkdirTemp("", "release")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tree)) }()
	if _, err := git(repository, "clone", "--quiet", "--shared", "--no-tags", ".", tree); err != nil {
		return err
	}
	modules, err := load(tree)
	if err != nil {
		return err
	}
	var tags []string
	for _, m := range modules {
		tags = append(tags, m.dir+"/"+version)
	}
	for _, tag := range append([]string{version}, tags...) {
		if found, _ := git(repository, "tag", "--list", tag); found != "" {
			return fmt.Errorf("the tag %s exists", tag)
		}
	}
	for _, m := range modules {
		fmt.Println(m.path + "@" + version)
		if err := m.release(version, proxy); err != nil {
			return fmt.Errorf("%s: %w", m.dir, err)
		}
	}
	return publish(repository, tree, version, tags)
}

// publish commits the tree, fetches the commit into the repository and tags it there. The version's own tag, which git describe looks for, is no
// module's: it is the branch's, so that programs and packages are built there, and later commits know what they come after.
func publish(repository, tree, version string, tags []string) error {
	from, err := git(tree, "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	if _, err := git(tree, "add", "--all"); err != nil {
		return err
	}
	if _, err := git(tree, "-c", "user.name=Quorate", "-c", "user.email=release@quorate.invalid", "commit", "--quiet", "--message",
		"release "+version+"\n\nThe modules ask for each other by version. This commit is beside the branch, which keeps its replace lines."); err != nil {
		return err
	}
	commit, err := git(tree, "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	if _, err := git(repository, "fetch", "--quiet", "--no-tags", tree, commit); err != nil {
		return err
	}
	for _, tag := range tags {
		if _, err := git(repository, "tag", tag, commit); err != nil {
			return err
		}
	}
	if _, err := git(repository, "tag", version, from); err != nil {
		return err
	}
	fmt.Printf("commit %s has the tag %s\ncommit %s beside it has the tags %s\nto publish: git push origin %s %s\n",
		from, version, commit, strings.Join(tags, ", "), version, strings.Join(tags, " "))
	return nil
}

func git(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// goProxy puts ours before the machine's.
func goProxy(ours string) (string, error) {
	out, err := exec.Command("go", "env", "GOPROXY").Output()
	return "file://" + filepath.ToSlash(ours) + "," + strings.TrimSpace(string(out)), err
}

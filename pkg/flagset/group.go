package flagset

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

// Group is a part of a usage text: a title, and the names of its flags in the order they are shown.
type Group struct {
	Title string
	Flags []string
}

// NewGroup adds flags to fs by calling register and returns them as a group, sorted by name.
func NewGroup(title string, fs *flag.FlagSet, register func(*flag.FlagSet)) Group {
	before := map[string]bool{}
	fs.VisitAll(func(f *flag.Flag) { before[f.Name] = true })
	register(fs)
	group := Group{Title: title}
	fs.VisitAll(func(f *flag.Flag) {
		if !before[f.Name] {
			group.Flags = append(group.Flags, f.Name)
		}
	})
	return group
}

// Names are the names of all flags, sorted.
func Names(fs *flag.FlagSet) []string {
	var names []string
	fs.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	return names
}

// WriteUsage writes the flags of the groups, each with its default and its usage text.
func WriteUsage(w io.Writer, fs *flag.FlagSet, groups ...Group) error {
	var text strings.Builder
	for _, group := range groups {
		fmt.Fprintf(&text, "\n%s:\n", group.Title)
		for _, name := range group.Flags {
			f := fs.Lookup(name)
			fmt.Fprintf(&text, "  --%s '%s'\n    %s\n", f.Name, f.DefValue, strings.ReplaceAll(f.Usage, "\n", "\n    "))
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}

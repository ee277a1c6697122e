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

// Width is how many columns a usage text takes, unless a word of it is longer.
const Width = 100

// textColumn is where the texts of flags begin, behind their names.
const textColumn = 34

// WriteUsage writes the flags of the groups, each with its usage text and its default in brackets, in two columns.
func WriteUsage(w io.Writer, fs *flag.FlagSet, groups ...Group) error {
	return writeGroups(w, fs, groups, func(f *flag.Flag) string { return f.Usage })
}

// WriteShort is WriteUsage with the first sentence of each usage text.
func WriteShort(w io.Writer, fs *flag.FlagSet, groups ...Group) error {
	return writeGroups(w, fs, groups, func(f *flag.Flag) string {
		first, _, more := strings.Cut(f.Usage, ". ")
		if more {
			return first + "."
		}
		return first
	})
}

func writeGroups(w io.Writer, fs *flag.FlagSet, groups []Group, usage func(*flag.Flag) string) error {
	var text strings.Builder
	for _, group := range groups {
		fmt.Fprintf(&text, "\n%s:\n", group.Title)
		for _, name := range group.Flags {
			f := fs.Lookup(name)
			words := usage(f)
			if f.DefValue != "" && f.DefValue != "false" {
				words = strings.TrimSuffix(words, ".") + " [" + f.DefValue + "]"
			}
			writeFlag(&text, name, words)
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// writeFlag writes a name and, from textColumn on, the text, which it breaks before Width.
func writeFlag(to *strings.Builder, name, text string) {
	line := "  --" + name + " "
	if len(line) > textColumn {
		to.WriteString(strings.TrimSuffix(line, " ") + "\n")
		line = ""
	}
	line += strings.Repeat(" ", textColumn-len(line))
	begin := true
	for word := range strings.FieldsSeq(text) {
		if !begin && len(line)+len(word) >= Width {
			to.WriteString(line + "\n")
			line, begin = strings.Repeat(" ", textColumn), true
		}
		if !begin {
			line += " "
		}
		line += word
		begin = false
	}
	to.WriteString(line + "\n")
}

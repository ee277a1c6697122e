package flagset

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/quoratedb/quorate/pkg/yamldoc"
)

// Sections says which flags the nested parts of a file stand for: section, key within it, flag name. A key with dots is that
// of a section within the section. One without a flag is known, and says nothing.
type Sections map[string]map[string]string

// FromYAML sets the flags of fs that document, a YAML mapping (or JSON, which is YAML too), names by its keys:
//
//	name: a                       --name=a
//	log-outputs: [stderr, x.log]  --log-outputs=stderr,x.log
//	client-transport-security:
//	  cert-file: s.crt            --cert-file=s.crt, if sections say so
//	cors:                         nothing: an empty value leaves the flag alone
//
// A whole number for a duration is nanoseconds, a text is what the command line takes. Whole numbers may have an exponent, as
// templates write large ones: 8.589934592e+09. The error joins one error for each unknown key, repeated key and refused value, each with its line; everything else has taken effect all the same.
func FromYAML(fs *flag.FlagSet, document []byte, sections Sections) error {
	root, err := yamldoc.Parse(document)
	if root == nil {
		return err // nil for an empty file, or nothing but comments
	}
	file := file{flags: fs, seen: map[string]bool{}}
	return eachKey(root, "the file", func(key string, at, value *yaml.Node) error {
		section, nested := sections[key]
		if !nested {
			return file.set(key, key, at, value)
		}
		if value.Tag == "!!null" {
			return nil
		}
		return file.section(key, "", section, value)
	})
}

// section sets the flags that names gives for the keys of a mapping, which are below prefix.
func (f file) section(section, prefix string, names map[string]string, mapping *yaml.Node) error {
	return eachKey(mapping, section, func(inner string, at, value *yaml.Node) error {
		path := prefix + inner
		switch name, known := names[path]; {
		case known && name == "":
			return nil
		case known:
			return f.set(section+"."+path, name, at, value)
		}
		for name := range names {
			if strings.HasPrefix(name, path+".") {
				return f.section(section, path+".", names, value)
			}
		}
		return fmt.Errorf("line %d: unknown key %q in %s", at.Line, path, section)
	})
}

// eachKey calls do for every key of a mapping and joins what it returns.
func eachKey(mapping *yaml.Node, what string, do func(key string, at, value *yaml.Node) error) error {
	if mapping.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: %s must be a mapping of keys to values", mapping.Line, what)
	}
	var problems []error
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		at, value := mapping.Content[i], mapping.Content[i+1]
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		problems = append(problems, do(at.Value, at, value))
	}
	return errors.Join(problems...)
}

// file remembers which keys were seen: a key that is given twice would have its last value win unnoticed.
type file struct {
	flags *flag.FlagSet
	seen  map[string]bool
}

func (f file) set(key, name string, at, value *yaml.Node) error {
	target := f.flags.Lookup(name)
	switch {
	case target == nil:
		return fmt.Errorf("line %d: unknown key %q", at.Line, key)
	case f.seen[name]:
		return fmt.Errorf("line %d: key %q is given twice", at.Line, key)
	}
	f.seen[name] = true
	if value.Tag == "!!null" {
		return nil
	}
	text, err := asArgument(target, value)
	if err == nil {
		err = f.flags.Set(name, text)
	}
	if err != nil {
		return fmt.Errorf("line %d: invalid value %q for %s: %w", value.Line, text, key, err)
	}
	return nil
}

// asArgument writes a value as the command line would have it.
func asArgument(target *flag.Flag, value *yaml.Node) (string, error) {
	switch value.Kind {
	case yaml.SequenceNode:
		items := make([]string, 0, len(value.Content))
		for _, item := range value.Content {
			if item.Kind != yaml.ScalarNode {
				return "", errors.New("a list may hold plain values only")
			}
			items = append(items, item.Value)
		}
		return strings.Join(items, ","), nil
	case yaml.ScalarNode:
		return scalar(target, value), nil
	default:
		return "", errors.New("a plain value or a list is wanted")
	}
}

func scalar(target *flag.Flag, value *yaml.Node) string {
	if boolean, ok := target.Value.(interface{ IsBoolFlag() bool }); ok && boolean.IsBoolFlag() {
		var set bool
		if value.Decode(&set) == nil { // YAML's yes and on, which strconv does not know
			return strconv.FormatBool(set)
		}
	}
	text, number := value.Value, value.Tag == "!!int"
	if value.Tag == "!!float" && takesWholeNumbers(target.Value) {
		text, number = withoutExponent(text)
	}
	if getter, ok := target.Value.(flag.Getter); ok && number {
		if _, duration := getter.Get().(time.Duration); duration {
			return text + "ns"
		}
	}
	return text
}

func takesWholeNumbers(value flag.Value) bool {
	switch value := value.(type) {
	case Milliseconds, Uint32:
		return true
	case flag.Getter:
		switch value.Get().(type) {
		case int, int64, uint, uint64, time.Duration:
			return true
		}
	}
	return false
}

// withoutExponent writes a whole number in digits alone. Any other stays as it is, for the flag to refuse.
func withoutExponent(text string) (string, bool) {
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(number, 0) || number != math.Trunc(number) {
		return text, false
	}
	return strconv.FormatFloat(number, 'f', -1, 64), true
}

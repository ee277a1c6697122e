// Package yamldoc reads YAML that people write, and says in which line a mistake is.
package yamldoc

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Parse returns what a document holds, nil where it is empty. Errors begin with the line, from 1 on.
func Parse(text []byte) (*yaml.Node, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, lined(err, text)
	}
	if len(document.Content) == 0 {
		return nil, nil
	}
	return document.Content[0], nil
}

var (
	complaint = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	// ofParser are the complaints of the library's parser. It counts their lines from 0, and those of its scanner from 1; in the
	// first line, whoever complains, it leaves the number out.
	ofParser = regexp.MustCompile(`^did not find expected (<|node content|'-' indicator|key$|',')|^found (undefined tag handle|duplicate %|incompatible YAML)`)
	// ofReader are complaints of bytes, ofAnchor that of a name; they have no line.
	ofReader = regexp.MustCompile(`UTF-8|UTF-16|^control characters`)
	ofAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// lined has an error of the library name the line in which the mistake is.
func lined(err error, text []byte) error {
	found := complaint.FindStringSubmatch(err.Error())
	if found == nil {
		return err
	}
	line, _ := strconv.Atoi(found[1]) // 0 where it is left out
	switch {
	case line == 0 && ofReader.MatchString(found[2]):
		line = lineOf(text, func(line []byte) bool { return !utf8.Valid(line) || bytes.ContainsFunc(line, isControl) })
	case line == 0 && ofAnchor.MatchString(found[2]):
		name := "*" + ofAnchor.FindStringSubmatch(found[2])[1]
		line = lineOf(text, func(line []byte) bool { return bytes.Contains(line, []byte(name)) })
	case line == 0, ofParser.MatchString(found[2]):
		line++
	}
	last := lineOf(text, func([]byte) bool { return false })
	return fmt.Errorf("line %d: %s", min(line, last), found[2]) // the end is behind the last line
}

// lineOf is the number of the first line that has something, or the last one.
func lineOf(text []byte, has func([]byte) bool) (number int) {
	for line := range bytes.Lines(text) {
		number++
		if has(line) {
			break
		}
	}
	return number
}

func isControl(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\r\n\u0085", r) }

// Texts are the texts of a node: one text, or a list of them.
func Texts(node *yaml.Node) ([]string, error) {
	each := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		each = node.Content
	}
	var texts []string
	for _, one := range each {
		if one.Kind != yaml.ScalarNode || one.Tag == "!!null" {
			return nil, fmt.Errorf("line %d: %w", one.Line, errNoText)
		}
		texts = append(texts, one.Value)
	}
	return texts, nil
}

var errNoText = errors.New("a text is wanted, or a list of texts")

package kv

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
)

// words splits a line of the standard input as a shell would: at spaces, but not within quotes. What single quotes enclose is taken as it
// is, what double quotes enclose as a Go string. A quote within a word is part of the word, and one that is never closed is left out.
func words(line string) ([]string, error) {
	var all []string
	for {
		line = strings.TrimLeftFunc(line, unicode.IsSpace)
		if line == "" {
			return all, nil
		}
		length := 0
		switch quote := line[0]; quote {
		case '"', '\'':
			length = quoted(line)
			if length == 0 {
				line = line[1:]
				continue
			}
			word := line[1 : length-1]
			if quote == '"' {
				unquoted, err := strconv.Unquote(line[:length])
				if err != nil {
					return nil, exit.With(exit.Input, fmt.Errorf("%s cannot be read as a quoted string: %w", line[:length], err))
				}
				word = unquoted
			}
			all = append(all, word)
		default:
			length = len(line)
			if end := strings.IndexFunc(line, unicode.IsSpace); end >= 0 {
				length = end
			}
			all = append(all, line[:length])
		}
		line = line[length:]
	}
}

// quoted is the length of the quoted word that the line begins with, its quotes included; 0 if it is never closed. Only double quotes
// know a backslash.
func quoted(line string) int {
	for i := 1; i < len(line); i++ {
		switch {
		case line[i] == line[0]:
			return i + 1
		case line[i] == '\\' && line[0] == '"':
			i++
		}
	}
	return 0
}

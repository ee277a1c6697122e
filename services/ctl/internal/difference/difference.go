// Package difference shows how a value became another one.
package difference

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"

	"github.com/quoratedb/quorate/services/ctl/internal/paint"
)

// shownBytesMax is how large values may be whose lines are compared.
const shownBytesMax = 1 << 20

// IsText tells whether a value may be shown as it is: UTF-8 without control characters but those of lines.
func IsText(value []byte) bool {
	return utf8.Valid(value) && !strings.ContainsFunc(string(value), func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r'
	})
}

// Of is the difference of two values by lines, as of "diff -u" without its head. Of what is no text, or large, it tells the sizes. Equal values have
// none.
func Of(before, after []byte, p paint.Paint) string {
	switch {
	case string(before) == string(after):
		return ""
	case !IsText(before) || !IsText(after):
		return fmt.Sprintf("binary values differ: %d bytes were, %d bytes are\n", len(before), len(after))
	case len(before)+len(after) > shownBytesMax:
		return fmt.Sprintf("large values differ: %d bytes were, %d bytes are\n", len(before), len(after))
	}
	_, hunks, differ := strings.Cut(udiff.Unified("", "", ended(before), ended(after)), "@@")
	if !differ {
		return "they differ in the newline at the end\n"
	}
	var painted strings.Builder
	for line := range strings.Lines("@@" + hunks) {
		painted.WriteString(paintLine(strings.TrimSuffix(line, "\n"), p) + "\n")
	}
	return painted.String()
}

func paintLine(text string, p paint.Paint) string {
	switch {
	case strings.HasPrefix(text, "-"):
		return p.Red(text)
	case strings.HasPrefix(text, "+"):
		return p.Green(text)
	case strings.HasPrefix(text, "@@"):
		return p.Dim(text)
	}
	return text
}

// ended is a value with an end of its last line. Whether there was one is no difference that is shown.
func ended(value []byte) string {
	text := string(value)
	if text == "" || strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
}

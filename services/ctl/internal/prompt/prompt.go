// Package prompt asks for passwords. On a terminal they are not shown while they are typed.
package prompt

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Password writes the question and reads a line of in: what is typed on a terminal unseen, else no byte more than the line
// has, so that the next question finds the next line.
func Password(in io.Reader, out io.Writer, question string) (string, error) {
	fmt.Fprint(out, question)
	defer fmt.Fprintln(out)
	if file, ok := in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		typed, err := term.ReadPassword(int(file.Fd()))
		if err != nil {
			return "", fmt.Errorf("cannot read the password: %w", err)
		}
		return strings.TrimSpace(string(typed)), nil
	}
	line, err := Line(in)
	if err != nil {
		return "", fmt.Errorf("cannot read the password: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// Line reads up to the end of a line, or of in, byte by byte. It is returned without its end.
func Line(in io.Reader) (string, error) {
	var line []byte
	for one := make([]byte, 1); ; {
		n, err := in.Read(one)
		if n > 0 && one[0] != '\n' {
			line = append(line, one[0])
			continue
		}
		if err != nil && err != io.EOF {
			return "", err
		}
		if n > 0 || err == io.EOF {
			return strings.TrimSuffix(string(line), "\r"), nil
		}
	}
}

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/quoratedb/quorate/deploy/stack/authority"
)

// owner is a directory that gets a certificate, and the names in it.
type owner struct {
	dir   string
	names []string
}

// owners is a flag.Value that may be given several times.
type owners []owner

func (o *owners) String() string { return "" }

func (o *owners) Set(text string) error {
	dir, names, found := strings.Cut(text, "=")
	if !found || dir == "" || names == "" {
		return errors.New("it is DIR=NAME,NAME")
	}
	*o = append(*o, owner{dir, strings.Split(names, ",")})
	return nil
}

func certificates(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("certificates", flag.ContinueOnError)
	dir := flags.String("authority-dir", "", "")
	var to owners
	flags.Var(&to, "certificate", "")
	if err := parse(flags, args, "authority-dir", "certificate"); err != nil {
		return err
	}
	a, err := authority.Open(*dir, time.Now)
	if err != nil {
		return err
	}
	for _, one := range to {
		made, err := a.Ensure(one.dir, one.names)
		if err != nil {
			return err
		}
		word := "kept"
		if made {
			word = "made"
		}
		if _, err := fmt.Fprintf(out, "%s %s for %s\n", word, one.dir, strings.Join(one.names, ", ")); err != nil {
			return err
		}
	}
	return nil
}

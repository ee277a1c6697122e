package flagset

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// List is a flag.Value of comma-separated texts. Spaces around them and empty ones are dropped, repeated ones kept once.
// Setting it replaces what was there.
type List struct{ to *[]string }

// ListOf returns a List that writes to a slice; what the slice holds is the flag's default.
func ListOf(to *[]string) List { return List{to} }

// Set implements flag.Value.
func (l List) Set(text string) error {
	items := []string{} // given, though empty, is not the same as not given
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" && !slices.Contains(items, item) {
			items = append(items, item)
		}
	}
	*l.to = items
	return nil
}

func (l List) String() string {
	if l.to == nil { // the flag package asks the zero value
		return ""
	}
	return strings.Join(*l.to, ",")
}

// Milliseconds is a flag.Value that reads and prints a whole number of milliseconds.
type Milliseconds struct{ to *time.Duration }

// MillisecondsOf returns a Milliseconds that writes to a duration; what it holds is the flag's default.
func MillisecondsOf(to *time.Duration) Milliseconds { return Milliseconds{to} }

// Set implements flag.Value.
func (m Milliseconds) Set(text string) error {
	count, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		return errors.New("a whole number of milliseconds is wanted, without a unit")
	}
	if count > math.MaxInt64/uint64(time.Millisecond) {
		return errors.New("value out of range")
	}
	*m.to = time.Duration(count) * time.Millisecond
	return nil
}

func (m Milliseconds) String() string {
	if m.to == nil {
		return ""
	}
	return strconv.FormatInt(m.to.Milliseconds(), 10)
}

// Uint32 is a flag.Value for a number of at most 32 bits.
type Uint32 struct{ to *uint32 }

// Uint32Of returns a Uint32 that writes to a number; what it holds is the flag's default.
func Uint32Of(to *uint32) Uint32 { return Uint32{to} }

// Set implements flag.Value.
func (u Uint32) Set(text string) error {
	number, err := strconv.ParseUint(text, 0, 32)
	if err != nil {
		return fmt.Errorf("a whole number from 0 to %d is wanted", uint32(math.MaxUint32))
	}
	*u.to = uint32(number)
	return nil
}

func (u Uint32) String() string {
	if u.to == nil {
		return ""
	}
	return strconv.FormatUint(uint64(*u.to), 10)
}

// Explain has the flags of fs that hold numbers, durations and switches say what they take where the flag package says "parse
// error" alone.
func Explain(fs *flag.FlagSet) {
	fs.VisitAll(func(f *flag.Flag) {
		getter, ok := f.Value.(flag.Getter)
		if !ok {
			return
		}
		switch getter.Get().(type) {
		case bool:
			f.Value = explained{getter, "true or false is wanted"}
		case int, int64:
			f.Value = explained{getter, "a whole number is wanted"}
		case uint, uint64:
			f.Value = explained{getter, "a whole number from 0 on is wanted"}
		case time.Duration:
			f.Value = explained{getter, "a duration such as 10m or 1h30m is wanted"}
		}
	})
}

type explained struct {
	flag.Getter
	wanted string
}

// Set implements flag.Value. That a number is out of range says enough by itself.
func (e explained) Set(text string) error {
	err := e.Getter.Set(text)
	if err != nil && err.Error() == "parse error" {
		return errors.New(e.wanted)
	}
	return err
}

// IsBoolFlag lets a switch be given without a value.
func (e explained) IsBoolFlag() bool {
	_, is := e.Get().(bool)
	return is
}

package tlsconfig

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/quoratedb/quorate/pkg/boundedfile"
)

// settledAfter is how long a file must have been left alone before its time of change, size and identity can be trusted to
// tell the next change. Clocks of file systems move in steps of milliseconds, and those of some in steps of two seconds.
const settledAfter = 3 * time.Second

// given is a file and the flag that names it.
type given struct{ flag, file string }

// String is how an operator wrote it.
func (g given) String() string {
	if g.flag == "" {
		return g.file
	}
	return "--" + g.flag + "=" + g.file
}

func (g given) wrong(err error) error { return fmt.Errorf("%s: %w", g, err) }

// kept is what the contents of files were made into last, and is made anew when they change. It is asked at each
// handshake, and looks at the files then: that costs a microsecond a file, and needs neither a goroutine nor a library that
// watches directories, which would miss what mounts and links do. A change that cannot be used, as a file that is half
// written or a key that is not its certificate's, leaves the last one that could be used, and is logged once.
type kept[T any] struct {
	files []given
	// parse makes a value of the files' contents, in their order.
	parse func(contents [][]byte) (T, error)
	// complain says what is wrong with a value at a time though it is used, such as that it has expired; nil for nothing.
	complain func(T, time.Time) error
	log      *slog.Logger
	last     atomic.Pointer[reading[T]]
}

// reading is one look at the files. It does not change, but for what was told.
type reading[T any] struct {
	stamps  []os.FileInfo
	settled bool
	sum     [sha256.Size]byte // of the contents, whether they could be used or not
	// refused is why the contents are not those of value; nil where they are.
	refused error
	value   T
	// told says that what complain finds was logged. Readings with the same value share it.
	told *atomic.Bool
}

// keep reads the files for the first time: what is wrong with them is an error now.
func keep[T any](log *slog.Logger, parse func([][]byte) (T, error), complain func(T, time.Time) error, files ...given) (*kept[T], error) {
	k := &kept[T]{files: files, parse: parse, complain: complain, log: log}
	first := k.read(&reading[T]{})
	if first.refused != nil {
		return nil, first.refused
	}
	k.last.Store(first)
	k.grumble(first)
	return k, nil
}

// current is what the files hold now, or held when they could last be used. It may be called concurrently: whoever reads
// an older change than another has its reading replaced at the next call.
func (k *kept[T]) current() T {
	last := k.last.Load()
	if last.settled && k.unchanged(last.stamps) {
		k.grumble(last)
		return last.value
	}
	next := k.read(last)
	if !k.last.CompareAndSwap(last, next) {
		return k.last.Load().value // somebody else read it meanwhile, and tells what is to tell
	}
	k.report(last, next)
	k.grumble(next)
	return next.value
}

func (k *kept[T]) unchanged(stamps []os.FileInfo) bool {
	now, err := k.stamps()
	return err == nil && slices.EqualFunc(now, stamps, func(a, b os.FileInfo) bool {
		return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
	})
}

// stamps follows links, which is how some change a file in one step.
func (k *kept[T]) stamps() (stamps []os.FileInfo, err error) {
	for _, each := range k.files {
		stamp, err := os.Stat(each.file)
		if err != nil {
			return nil, each.wrong(reason(err))
		}
		stamps = append(stamps, stamp)
	}
	return stamps, nil
}

// read never changes last. Stamps are taken before contents: a change between the two is found at the next look.
func (k *kept[T]) read(last *reading[T]) *reading[T] {
	next := &reading[T]{value: last.value, told: last.told}
	if next.stamps, next.refused = k.stamps(); next.refused != nil {
		return next
	}
	next.settled = !slices.ContainsFunc(next.stamps, func(stamp os.FileInfo) bool { return time.Since(stamp.ModTime()) < settledAfter })
	var contents [][]byte
	sum := sha256.New()
	for _, each := range k.files {
		content, err := boundedfile.Read(each.file)
		if err != nil {
			next.settled, next.refused = false, each.wrong(reason(err))
			return next
		}
		contents = append(contents, content)
		add(sum, content)
	}
	next.sum = [sha256.Size]byte(sum.Sum(nil))
	if next.sum == last.sum {
		next.refused = last.refused
		return next
	}
	value, err := k.parse(contents)
	if err != nil {
		next.refused = err
		return next
	}
	next.value, next.told = value, new(atomic.Bool)
	return next
}

// add keeps two files apart whose contents, one behind the other, are those of two others.
func add(sum hash.Hash, content []byte) {
	own := sha256.Sum256(content)
	_, _ = sum.Write(own[:]) // a hash never fails
}

// report tells once of a change.
func (k *kept[T]) report(last, next *reading[T]) {
	switch {
	case next.refused != nil && (last.refused == nil || last.refused.Error() != next.refused.Error()):
		k.log.Error("a TLS file was changed and cannot be used: the last one that could stays in use", "error", next.refused)
	case next.refused == nil && (last.refused != nil || last.sum != next.sum):
		k.log.Info("TLS files were changed, and count from now on", "files", fmt.Sprint(k.files))
	}
}

// grumble tells once what is wrong with a value that is used.
func (k *kept[T]) grumble(r *reading[T]) {
	if k.complain == nil || r.told.Load() {
		return
	}
	if err := k.complain(r.value, time.Now()); err != nil && r.told.CompareAndSwap(false, true) {
		k.log.Error("a TLS file is in use that others may refuse", "error", err)
	}
}

// reason is the system's, without the file's name: who wraps it says that already.
func reason(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("cannot be read: %w", path.Err)
	}
	return err
}

package linear

import (
	"fmt"
	"strings"

	"github.com/anishathalye/porcupine"
)

// keys is how many keys there are: few, so that clients meet.
const keys = 5

// entry is a key's state; the zero entry is a key that is not there.
type entry struct {
	value   int
	mod     int64
	version int64
}

// state is the whole store, comparable.
type state struct {
	revision int64
	entries  [keys]entry
}

// kind is what an operation does.
type kind int

const (
	// get reads one key.
	get kind = iota
	// list reads all keys.
	list
	// put writes one key.
	put
	// remove deletes one key.
	remove
	// swap puts key if its revision of modification is expect, and reads it if not.
	swap
	// move puts the value to key and deletes other, both or neither.
	move
)

var kindNames = [...]string{"get", "list", "put", "remove", "swap", "move"}

// input is an operation that a client calls.
type input struct {
	kind       kind
	key, other int
	value      int
	expect     int64
}

// output is what it was answered.
type output struct {
	// unknown is set when there was no answer: the operation may take effect at any time after its call, or never.
	unknown  bool
	revision int64
	entries  [keys]entry // of what was read, the rest zero
	deleted  int64
	swapped  bool
}

// model is etcd's API as one client alone sees it.
var model = porcupine.Model{
	Init: func() any { return state{revision: 1} },
	Step: func(s, in, out any) (bool, any) {
		return step(s.(state), in.(input), out.(output))
	},
	DescribeOperation: func(in, out any) string { return describe(in.(input), out.(output)) },
	DescribeState: func(s any) string {
		return fmt.Sprintf("%+v", s)
	},
}

// step says whether the answer fits the state, and what the state is afterwards.
func step(s state, in input, out output) (bool, state) {
	want := output{}
	switch in.kind {
	case get:
		want.entries[in.key] = s.entries[in.key]
	case list:
		want.entries = s.entries
	case put:
		s.write(in.key, in.value)
	case remove:
		want.deleted = s.delete(in.key)
	case swap:
		if s.entries[in.key].mod == in.expect {
			want.swapped = true
			s.write(in.key, in.value)
		} else {
			want.entries[in.key] = s.entries[in.key]
		}
	case move:
		s.write(in.key, in.value)
		if s.entries[in.other] != (entry{}) {
			want.deleted = 1
			s.entries[in.other] = entry{}
		}
	}
	if out.unknown {
		return true, s
	}
	want.revision = s.revision
	return out == want, s
}

func (s *state) write(key, value int) {
	s.revision++
	s.entries[key] = entry{value: value, mod: s.revision, version: s.entries[key].version + 1}
}

func (s *state) delete(key int) int64 {
	if s.entries[key] == (entry{}) {
		return 0
	}
	s.revision++
	s.entries[key] = entry{}
	return 1
}

func describe(in input, out output) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d", kindNames[in.kind], in.key)
	switch in.kind {
	case put:
		fmt.Fprintf(&b, "=%d", in.value)
	case swap:
		fmt.Fprintf(&b, "=%d if @%d", in.value, in.expect)
	case move:
		fmt.Fprintf(&b, "=%d, delete %d", in.value, in.other)
	}
	if out.unknown {
		return b.String() + " -> ?"
	}
	fmt.Fprintf(&b, " -> @%d", out.revision)
	for key, e := range out.entries {
		if e != (entry{}) {
			fmt.Fprintf(&b, " %d=%d@%d", key, e.value, e.mod)
		}
	}
	return b.String()
}

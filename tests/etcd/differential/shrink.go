package main

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// shrink finds a short sequence of small steps that still differs in the same kind of request, and the difference that it then makes.
func (e episode) shrink(first *difference, until time.Time) ([]step, *difference) {
	last := first
	kind := func(d *difference) string { return string(d.step.request.ProtoReflect().Descriptor().Name()) }
	differs := func(steps []step) bool {
		if time.Now().After(until) {
			return false
		}
		tried := e
		tried.steps = steps
		d, err := tried.run(context.Background())
		if err != nil {
			fmt.Println("while shrinking:", err)
		}
		if err != nil || d == nil || kind(d) != kind(first) {
			return false
		}
		last = d
		return true
	}
	smallest := e.steps[:min(first.at+1, len(e.steps))]
	smallest = fewer(smallest, differs)
	smallest = smaller(smallest, differs)
	return smallest, last
}

// fewer leaves out steps, halves at first and single ones at last, as long as it still differs.
func fewer(steps []step, differs func([]step) bool) []step {
	for size := (len(steps) + 1) / 2; size > 0; {
		left := false
		for at := 0; at < len(steps); {
			without := append(append([]step{}, steps[:at]...), steps[min(len(steps), at+size):]...)
			if len(without) < len(steps) && differs(without) {
				steps, left = without, true
				continue
			}
			at += size
		}
		if size == 1 && !left {
			break
		}
		if size > 1 {
			size = (size + 1) / 2
		}
		if size == 1 && len(steps) == 1 {
			break
		}
	}
	return steps
}

// smaller clears fields and leaves out elements of what is sent, as long as it still differs.
func smaller(steps []step, differs func([]step) bool) []step {
	steps = append([]step{}, steps...)
	for i := range steps {
		for again := true; again; {
			again = false
			for _, request := range simpler(steps[i].request) {
				tried := append([]step{}, steps...)
				tried[i].request = request
				if differs(tried) {
					steps, again = tried, true
					break
				}
			}
		}
	}
	return steps
}

// simpler are all messages that have one field or one element of a list less.
func simpler(request proto.Message) []proto.Message {
	var made []proto.Message
	count := 0
	prune(request.ProtoReflect(), &count, -1)
	for i := range count {
		pruned := proto.Clone(request)
		at := 0
		prune(pruned.ProtoReflect(), &at, i)
		made = append(made, pruned)
	}
	return made
}

// prune counts the places at which something can be left out, and leaves it out at the wanted one.
func prune(m protoreflect.Message, at *int, wanted int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if !m.Has(field) || *at > wanted && wanted >= 0 {
			continue
		}
		if !field.IsList() {
			if *at == wanted {
				m.Clear(field)
				*at++
				return
			}
			*at++
			if field.Kind() == protoreflect.MessageKind {
				prune(m.Mutable(field).Message(), at, wanted)
			}
			continue
		}
		list := m.Mutable(field).List()
		for j := range list.Len() {
			if *at == wanted {
				for k := j; k+1 < list.Len(); k++ {
					list.Set(k, list.Get(k+1))
				}
				list.Truncate(list.Len() - 1)
				*at++
				return
			}
			*at++
			if field.Kind() == protoreflect.MessageKind {
				prune(list.Get(j).Message(), at, wanted)
			}
			if *at > wanted && wanted >= 0 {
				return
			}
		}
	}
}

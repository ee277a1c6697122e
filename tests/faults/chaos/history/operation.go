package history

import (
	"fmt"
	"strings"
	"time"
)

// Entry is a key's state at some revision.
type Entry struct {
	Key, Value                  string
	Create, Mod, Version, Lease int64
}

// StepKind is what a step does.
type StepKind int

const (
	// Get reads a key, or with Prefix all that begin with it.
	Get StepKind = iota
	// Put writes a key.
	Put
	// Delete deletes a key, or with Prefix all that begin with it.
	Delete
)

// Step is one request to the store; an operation has one or, as a transaction, more.
type Step struct {
	Kind   StepKind
	Key    string
	Prefix bool
	// Value is unique among all that are put in a run.
	Value string
	Lease int64
}

// Condition holds if the key was last modified at Mod, 0 for a key that is not there.
type Condition struct {
	Key string
	Mod int64
}

// Result is the answer to one step.
type Result struct {
	// Entries are what Get read, ordered by key, or what Put and Delete replaced.
	Entries []Entry
	Deleted int64
}

// Outcome is what a client knows of an operation's end.
type Outcome int

const (
	// Answered means that the store said what happened.
	Answered Outcome = iota
	// Unknown means that it may have happened, may still happen, or not.
	Unknown
)

// Operation is one call of a client. Times are measured from the start of the run by one clock.
type Operation struct {
	Client       int
	Endpoint     string
	Call, Return time.Duration
	// Conditions choose between Then and Else; an operation without conditions takes Then.
	Conditions []Condition
	Then, Else []Step
	// Serializable lets one member answer from what it has.
	Serializable bool

	Outcome   Outcome
	Revision  int64
	Succeeded bool
	Results   []Result
}

// Taken are the steps that an answered operation made.
func (o *Operation) Taken() []Step {
	if o.Succeeded {
		return o.Then
	}
	return o.Else
}

// Wrote reports whether the answer says that the operation changed the store.
func (o *Operation) Wrote() bool {
	for i, step := range o.Taken() {
		if step.Kind == Put || step.Kind == Delete && o.Results[i].Deleted > 0 {
			return true
		}
	}
	return false
}

// Mutates reports whether the operation may change the store.
func (o *Operation) Mutates() bool {
	for _, steps := range [][]Step{o.Then, o.Else} {
		for _, step := range steps {
			if step.Kind != Get {
				return true
			}
		}
	}
	return false
}

// String tells the operation and its answer in a line.
func (o *Operation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "client %d at %s [%v, %v]:", o.Client, o.Endpoint, o.Call.Round(time.Microsecond), o.Return.Round(time.Microsecond))
	for _, c := range o.Conditions {
		fmt.Fprintf(&b, " if %s@%d", c.Key, c.Mod)
	}
	steps := o.Taken()
	if o.Outcome == Unknown {
		steps = o.Then
	}
	for i, s := range steps {
		switch s.Kind {
		case Get:
			fmt.Fprintf(&b, " get %s", s.Key)
		case Put:
			fmt.Fprintf(&b, " put %s=%s", s.Key, s.Value)
		case Delete:
			fmt.Fprintf(&b, " delete %s", s.Key)
		}
		if o.Outcome == Answered {
			for _, e := range o.Results[i].Entries {
				fmt.Fprintf(&b, " (%s=%s@%d)", e.Key, e.Value, e.Mod)
			}
		}
	}
	if o.Outcome == Unknown {
		return b.String() + " -> no answer"
	}
	fmt.Fprintf(&b, " -> succeeded %t, revision %d", o.Succeeded, o.Revision)
	return b.String()
}

package reshard

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"gori/shard"
)

// Ballot orders the rounds of all proposers. The zero Ballot is before all.
type Ballot struct {
	Counter int64
	By      string // the proposer, whose name no other living one has
}

// Compare is negative if b is before o.
func (b Ballot) Compare(o Ballot) int {
	return cmp.Or(cmp.Compare(b.Counter, o.Counter), strings.Compare(b.By, o.By))
}

// Vote is an acceptor's answer.
type Vote struct {
	// OK says that it did what it was asked. Else it has promised Promised, a
	// later ballot, to somebody.
	OK       bool
	Promised Ballot
	// Accepted and Doc are what it has accepted last; Doc is nil if nothing.
	Accepted Ballot
	Doc      *shard.Ring
}

// Acceptor is one that keeps the ring document. What it has answered it never
// forgets: its state is durable before it answers.
type Acceptor interface {
	// Prepare promises, if it has promised no ballot from b on, to accept none
	// before b.
	Prepare(ctx context.Context, b Ballot) (Vote, error)
	// Accept keeps the document, if it has promised no ballot after b.
	Accept(ctx context.Context, b Ballot, doc *shard.Ring) (Vote, error)
	// Peek tells its state.
	Peek(ctx context.Context) (Vote, error)
}

// ConflictError says that another change was first.
type ConflictError struct{ Now *shard.Ring }

func (e *ConflictError) Error() string {
	return fmt.Sprintf("the ring has been changed meanwhile: it has version %d", e.Now.Version)
}

// NoMajorityError says that too few acceptors answer. Nothing was changed.
type NoMajorityError struct {
	Acceptors []string         // who keep the document
	Down      map[string]error // of them, those that do not answer
}

func (e *NoMajorityError) Error() string {
	need := len(e.Acceptors)/2 + 1
	text := fmt.Sprintf("the ring can be changed only if %d of %s answer", need, strings.Join(e.Acceptors, ", "))
	for _, name := range e.Acceptors {
		if err, down := e.Down[name]; down {
			text += fmt.Sprintf("; %s: %v", name, err)
		}
	}
	if len(e.Acceptors) == 2 {
		text += "; with two shards both are needed, a witness would be the third"
	}
	return text
}

// UnknownError says that it is not known whether the change was made: reading
// the ring will tell.
type UnknownError struct{ Cause error }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("it is not known whether the ring was changed: %v", e.Cause)
}

func (e *UnknownError) Unwrap() error { return e.Cause }

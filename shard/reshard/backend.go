package reshard

import (
	"context"
	"strconv"
	"time"

	"gori/shard"
)

// Backend is what carrying out a Plan needs from the shards. Package store/move
// implements it on PostgreSQL.
type Backend interface {
	// Look reads what every shard says about every partition. A shard that does
	// not answer is in Picture.Down.
	Look(ctx context.Context) (*Picture, error)
	// Begin claims the partitions of g for this mover and its new attempt
	// (planned → claimed). It returns a *HeldError if another mover that lives
	// holds one of them. A partition that is active at g.To already and fenced at
	// g.From, since a mover died between, is of the group too: its Cut forwards it.
	Begin(ctx context.Context, g Group) (Work, error)
	// Clean removes what a shard still has of partitions that are gone from it,
	// at the pace given (forwarded → cleaned).
	Clean(ctx context.Context, at shard.ID, ps []shard.Partition, pace Pace) error
	// Left says what a shard that serves nothing still has to finish or to give
	// away (rows of partitions that are gone, changed keys, batches not fanned
	// out), in words; "" if nothing, so that it may go.
	Left(ctx context.Context, at shard.ID) (string, error)
}

// At is told each named step that a mover or a runner passes, so that tests can
// stop one there.
type At func(step string)

// Pass tells a step; a nil At hears nothing.
func (a At) Pass(step string) {
	if a != nil {
		a(step)
	}
}

// Work is one attempt at moving the partitions of a Group. Its methods are
// called one after the other. Whatever it returns, and wherever it dies, a new
// attempt may begin with another Work.
type Work interface {
	// Fill copies, follows what changes meanwhile, and compares digests until
	// little is left to do (claimed → copying → following → verified).
	Fill(ctx context.Context, pace Pace) error
	// Cut fences the source, brings the rest over, compares digests and makes
	// the target active (verified → fenced → switched → forwarded). If that
	// takes longer than the budget it takes everything back and returns a
	// *BudgetError; the same Work may Fill and Cut again.
	Cut(ctx context.Context) ([]Receipt, error)
	// Release takes an unfinished move back: the source alone is in charge, and
	// the target keeps nothing.
	Release(ctx context.Context) error
	// Close gives the claim and the connections back. What is under way stays as
	// it is, for a later attempt.
	Close()
}

// Pace slows a mover down.
type Pace interface {
	// Take waits until so many bytes more may be moved.
	Take(ctx context.Context, bytes int) error
}

// Group is partitions that move together between the same two shards.
type Group struct {
	Reshard    string // Plan.ID
	Turn       int64  // Plan.Turn: a mover of an earlier one is ended by Begin; 0: none is
	From, To   shard.ID
	Partitions []shard.Partition // in order
}

// HeldError says that another mover works on a partition.
type HeldError struct{ Partition shard.Partition }

func (e *HeldError) Error() string {
	return "another mover holds partition " + e.Partition.String()
}

// BudgetError says that a fence took longer than allowed and was taken back.
type BudgetError struct {
	Budget time.Duration
	Fenced time.Duration // how long writes had to wait
}

func (e *BudgetError) Error() string {
	return "the fence took " + e.Fenced.String() + " of its budget of " + e.Budget.String() + " and was taken back"
}

// BehindError says that keys change faster than they can be copied again. The
// move is to be released and tried later.
type BehindError struct{ Dirty int64 } // keys changed and not copied again

func (e *BehindError) Error() string {
	return "changes come faster than they can be followed: " + strconv.FormatInt(e.Dirty, 10) + " keys wait"
}

// DigestError says that the two sides differ. The source stays in charge.
type DigestError struct {
	Partition      shard.Partition
	Table          string
	Bucket         string // the first one that differs
	Source, Target string // rows and digest
}

func (e *DigestError) Error() string {
	return "partition " + e.Partition.String() + ", table " + e.Table + ", " + e.Bucket + " differs: source " + e.Source + ", target " + e.Target
}

// OwnerState is what a shard says of a partition.
type OwnerState string

// The states of an ownership row.
const (
	Active   OwnerState = "active"
	Fencing  OwnerState = "fenced"
	Incoming OwnerState = "incoming"
	Gone     OwnerState = "gone"
)

// Owner is a partition's row on one shard.
type Owner struct {
	Shard   shard.ID    `json:"shard"`
	State   OwnerState  `json:"state"`
	Epoch   shard.Epoch `json:"epoch"` // of the partition's ownership: one more with each move
	Peer    shard.ID    `json:"peer,omitempty"`
	Attempt int         `json:"attempt,omitempty"`
	// Cleaned says of a partition that is gone that no row of it is left.
	Cleaned bool `json:"cleaned,omitempty"`
	// FencedAt is when it was last fenced, so, for one that is gone, when it went.
	FencedAt time.Time `json:"fenced_at,omitzero"`
}

// Picture is what the shards say at one time.
type Picture struct {
	Owners [shard.Partitions][]Owner
	// Rows estimates the rows of each partition, to move small ones first.
	Rows [shard.Partitions]int64
	Down []shard.ID
}

// Serving returns the shard that serves p, and false if none that answers does.
// Right after the commit point the source is still fenced: then it is the
// target.
func (p *Picture) Serving(part shard.Partition) (Owner, bool) {
	var best Owner
	found := false
	for _, o := range p.Owners[part] {
		if o.State == Active || o.State == Fencing && !found {
			best, found = o, true
		}
	}
	return best, found
}

// TableReceipt counts one table of a partition as it was when ownership passed.
type TableReceipt struct {
	Table  string `json:"table"`
	Rows   int64  `json:"rows"`
	Digest string `json:"digest"` // of all rows, equal on both sides
}

// ChannelReceipt counts one channel's messages when ownership passed.
type ChannelReceipt struct {
	Channel int64 `json:"channel,string"`
	Rows    int64 `json:"rows"`
	First   int64 `json:"first"` // seq; 0: no message
	Last    int64 `json:"last"`
	Gaps    int64 `json:"gaps"` // seqs missing between 1 and Last: 0
	// Identity is a digest of what never changes of the messages up to Last
	// (seq, sender, client_msg_id, what was first sent, time), so that it can be
	// computed again at any time later.
	Identity string `json:"identity"`
}

// Receipt proves one partition's move.
type Receipt struct {
	Reshard   string          `json:"reshard"`
	Partition shard.Partition `json:"partition"`
	From      shard.ID        `json:"from"`
	To        shard.ID        `json:"to"`
	Epoch     shard.Epoch     `json:"epoch"` // of the ownership since
	Attempt   int             `json:"attempt"`
	At        time.Time       `json:"at"`
	Rows      int64           `json:"rows"`
	Bytes     int64           `json:"bytes"`    // copied
	Followed  int64           `json:"followed"` // rows copied again since they changed
	// PauseUS is how long writes had to wait, in microseconds: from asking for the
	// fence until the source pointed to the target.
	PauseUS  int64            `json:"pause_us"`
	Tables   []TableReceipt   `json:"tables"`
	Channels []ChannelReceipt `json:"channels"`
}

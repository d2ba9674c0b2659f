package reshard

import (
	"context"
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
	// holds one of them.
	Begin(ctx context.Context, g Group) (Work, error)
	// Clean removes what a shard still has of partitions that are gone from it,
	// at the pace given (forwarded → cleaned).
	Clean(ctx context.Context, at shard.ID, ps []shard.Partition, pace Pace) error
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
}

// Picture is what the shards say at one time.
type Picture struct {
	Owners [shard.Partitions][]Owner
	// Rows estimates the rows of each partition, to move small ones first.
	Rows [shard.Partitions]int64
	Down []shard.ID
}

// Serving returns the shard that serves p, and false if none that answers does.
func (p *Picture) Serving(part shard.Partition) (Owner, bool) {
	for _, o := range p.Owners[part] {
		if o.State == Active || o.State == Fencing {
			return o, true
		}
	}
	return Owner{}, false
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
	// PauseUS is how long writes had to wait, in microseconds: from asking for
	// the fence to the target's commit.
	PauseUS  int64            `json:"pause_us"`
	Tables   []TableReceipt   `json:"tables"`
	Channels []ChannelReceipt `json:"channels"`
}

package move

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
)

// Check is a Verify as the system keeps it: under way, or what came of it.
type Check struct {
	Reshard string       `json:"reshard"`
	By      int64        `json:"by"` // the user who asked
	State   CheckState   `json:"state"`
	Begun   time.Time    `json:"begun"`
	Ended   time.Time    `json:"ended,omitzero"`
	Cause   *shard.Cause `json:"cause,omitempty"` // of one that failed
	Proof
}

// CheckState is how far a Check is.
type CheckState string

// The states that are kept. A check that is under way and silent was cut off.
const (
	Checking    CheckState = "running"
	Checked     CheckState = "done"
	CheckFailed CheckState = "failed"
)

// Errors of BeginCheck.
var (
	ErrChecking  = errors.New("another receipt is being verified")
	ErrNoReceipt = errors.New("there is no receipt of such a reshard")
)

const (
	lockCheck = 2001 // advisory lock (78, lockCheck): one check at a time
	checkBeat = time.Second
	// CheckSilence is how long a check under way may be silent before it counts
	// as cut off.
	CheckSilence = 15 * time.Second
)

// CheckRun is a Check of this process. Run it, or Close it.
type CheckRun struct {
	e    *Engine
	conn *pgx.Conn // it holds the lock, and writes the row

	mu    sync.Mutex
	check Check // guarded by mu
}

// BeginCheck prepares to verify the receipts of a reshard for a user. Only one
// is under way in the whole system: else it is ErrChecking. The lock, and what
// is found, are kept by the first shard that answers.
func (e *Engine) BeginCheck(ctx context.Context, reshardID string, by int64) (*CheckRun, error) {
	kept, err := e.keptReceipts(ctx, reshardID)
	if err != nil {
		return nil, err
	}
	if len(kept) == 0 {
		return nil, ErrNoReceipt
	}
	c := &CheckRun{e: e, check: Check{Reshard: reshardID, By: by, State: Checking, Begun: e.cfg.Now(),
		Proof: Proof{Partitions: len(kept), Problems: []Fault{}}}}
	var all error
	for _, id := range e.cfg.Shards() {
		if c.conn, err = e.dial(ctx, id, "check", "idle_session_timeout", "30s", "statement_timeout", "10s"); err != nil {
			all = errors.Join(all, err)
			continue
		}
		var got bool
		err := c.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock(78, $1)", lockCheck).Scan(&got)
		if err == nil && !got {
			err = ErrChecking
		}
		if err == nil {
			err = c.note(ctx)
		}
		if err != nil {
			c.Close()
			return nil, err
		}
		return c, nil
	}
	return nil, fmt.Errorf("no shard answers: %w", all)
}

// Close gives the lock back.
func (c *CheckRun) Close() { hangUp(c.conn) }

// note writes the row.
func (c *CheckRun) note(ctx context.Context) error {
	c.mu.Lock()
	doc, err := json.Marshal(c.check)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	_, err = c.conn.Exec(ctx, `INSERT INTO control.checks AS c (reshard, at, doc) VALUES ($1, clock_timestamp(), $2)
		ON CONFLICT (reshard) DO UPDATE SET at = excluded.at, doc = excluded.doc`, c.check.Reshard, doc)
	return err
}

// Run verifies, and writes how far it is once a second, and what came of it. It
// ends with ctx, and is then one that was cut off. It closes c.
func (c *CheckRun) Run(ctx context.Context) error {
	defer c.Close()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	beating := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(beating)
		tick := time.NewTicker(checkBeat)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if err := c.note(ctx); err != nil {
				stop(fmt.Errorf("the check cannot be kept: %w", err))
				return
			}
		}
	}()
	proof, err := c.e.Verify(ctx, c.check.Reshard, func(p *Proof) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.check.Proof = *p
		c.check.Problems = slices.Clone(p.Problems) // which are sorted in the end, while these may be written
	})
	close(done)
	<-beating
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	c.mu.Lock()
	c.check.State, c.check.Ended = Checked, c.e.cfg.Now()
	if err != nil {
		c.check.State, c.check.Cause = CheckFailed, reshard.CauseOf(err)
	} else {
		c.check.Proof = *proof
	}
	c.mu.Unlock()
	return errors.Join(err, c.note(ctx))
}

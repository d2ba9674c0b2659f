package admin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"gori/api"
	"gori/chat"
	"gori/shard"
	"gori/shard/reshard"
	"gori/store/board"
	"gori/store/move"
)

// Checker computes receipts again in the background, for admins.
type Checker struct {
	begin func(ctx context.Context, reshard string, by int64) (*move.CheckRun, error)
	log   *slog.Logger

	ctx  context.Context // of what runs
	stop context.CancelFunc
	runs sync.WaitGroup
}

// NewChecker makes one that reads with engine. Close it.
func NewChecker(engine *move.Engine, log *slog.Logger) *Checker {
	c := &Checker{begin: engine.BeginCheck, log: log}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

// Close ends what is under way; it counts as interrupted then.
func (c *Checker) Close() {
	c.stop()
	c.runs.Wait()
}

func (c *Checker) start(ctx context.Context, id string, by chat.UserID) error {
	run, err := c.begin(ctx, id, int64(by))
	switch {
	case errors.Is(err, move.ErrNoReceipt):
		return Coded(chat.CodeNotFound, reasonNoReceipt, err)
	case errors.Is(err, move.ErrChecking):
		return Coded(chat.CodeConflict, reasonChecking, err)
	case err != nil:
		return chat.Retryable(chat.CodeShardDown, time.Second, err, "no shard can keep the check")
	}
	c.runs.Go(func() {
		if err := run.Run(c.ctx); err != nil {
			c.log.Warn("a receipt could not be verified", "reshard", id, "error", err)
		}
	})
	return nil
}

// Verify implements api.Reshards. It is in the audit log before it begins.
func (r *Reshards) Verify(ctx context.Context, by api.Admin, id string) error {
	if r.checks == nil {
		return chat.Errorf(chat.CodeNotFound, "nobody here verifies receipts")
	}
	err := r.audit.Audit(ctx, chat.AuditEvent{At: r.now(), Actor: by.User, Action: auditVerify, Subject: id, Address: by.Address})
	if err != nil {
		return err
	}
	return r.checks.start(ctx, id, by.User)
}

// Check implements api.Reshards.
func (r *Reshards) Check(ctx context.Context, id string) (api.ReceiptCheck, error) {
	c, ok := r.board.Checks(ctx, id)[id]
	if !ok {
		return api.ReceiptCheck{}, Coded(chat.CodeNotFound, reasonNoCheck, errors.New("this receipt was never computed again"))
	}
	return checkView(c)
}

// checkView is a kept check as admins are told of it.
func checkView(kept board.Check) (v api.ReceiptCheck, err error) {
	var c move.Check
	if err := json.Unmarshal(kept.Doc, &c); err != nil {
		return v, err
	}
	v = api.ReceiptCheck{Reshard: c.Reshard, State: string(c.State), By: chat.UserID(c.By), BegunAt: chat.MillisOf(c.Begun), Partitions: c.Partitions,
		Checked: c.Receipts, Channels: c.Channels, Messages: c.Messages, Found: c.Found, Down: names(c.Down), Reason: reasonOf(c.Cause)}
	if c.State == move.Checking && kept.Silent > move.CheckSilence {
		v.State = checkInterrupted
	}
	if !c.Ended.IsZero() {
		v.EndedAt = chat.MillisOf(c.Ended)
	}
	for _, f := range c.Problems {
		v.Faults = append(v.Faults, api.ReceiptFault{Code: string(f.Code), Partition: int(f.Partition), Shards: names(f.Shards),
			Channel: chat.ChannelID(f.Channel), Upto: f.Upto, Rows: f.Rows, Wanted: f.Wanted, Table: f.Table, Text: f.Text})
	}
	return v, nil
}

func names(ids []shard.ID) (list []string) {
	for _, id := range ids {
		list = append(list, string(id))
	}
	return list
}

// withChecks adds to receipts what came of computing them again.
func (r *Reshards) withChecks(ctx context.Context, list []api.ReceiptSummary) []api.ReceiptSummary {
	kept := r.board.Checks(ctx, "")
	for i := range list {
		if c, ok := kept[list[i].Reshard]; ok {
			if v, err := checkView(c); err == nil {
				v.Faults = nil
				list[i].Check = &v
			}
		}
	}
	return list
}

// Reasons that this package gives itself; see shard.CauseCodes for the others.
const (
	reasonDisorder  = "disorder"      // not every partition has exactly one owner that answers
	reasonHalfMoved = "half_moved"    // an abort is not done yet
	reasonNotMade   = "not_made"      // no instance was made
	ReasonNotEmpty  = "not_empty"     // shard: its database holds data
	ReasonAway      = "not_reached"   // shard: its database
	ReasonSchema    = "schema_failed" // shard: it cannot be given the schema
	reasonChecking  = "checking"
	reasonNoReceipt = "no_receipt"
	reasonNoCheck   = "no_check"
)

var reasons = []string{reasonDisorder, reasonHalfMoved, reasonNotMade, ReasonNotEmpty, ReasonAway, ReasonSchema, reasonChecking, reasonNoReceipt, reasonNoCheck}

const (
	checkInterrupted = "interrupted"
	auditVerify      = "receipt.verify"
	auditReshard     = "reshard." // and the action
)

// Coded is an error of the API with a code and a reason; what is given are names
// and values of the reason's parameters.
func Coded(code chat.Code, reason string, err error, args ...string) error {
	e := &chat.Error{Code: code, Message: err.Error(), Err: err, Reason: &chat.Reason{Code: reason}}
	for i := 0; i+1 < len(args); i += 2 {
		if e.Reason.Args == nil {
			e.Reason.Args = map[string]string{}
		}
		e.Reason.Args[args[i]] = args[i+1]
	}
	return e
}

// reasonOf is a cause as clients are told of it.
func reasonOf(c *shard.Cause) *chat.Reason {
	if c == nil {
		return nil
	}
	return &chat.Reason{Code: string(c.Code), Args: c.Args, Text: c.Text}
}

// reasonFor finds out why the ring was not changed.
func reasonFor(err error) *chat.Reason {
	r := reasonOf(reshard.CauseOf(err))
	r.Text = "" // the message says it
	return r
}

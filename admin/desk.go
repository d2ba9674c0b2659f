package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gori/api"
	"gori/chat"
	"gori/shard"
	"gori/shard/reshard"
)

// Ring is the agreed ring document; store/register keeps it.
type Ring interface {
	Read(ctx context.Context) (*shard.Ring, error)
	Change(ctx context.Context, from, to *shard.Ring) error
}

// DefaultSlowdown bounds the p99 of live writes while partitions move.
const DefaultSlowdown = 2

// Desk changes the ring for admins. Reshards passes their orders to it.
type Desk struct {
	Ring Ring
	// Make has an instance made for a new shard; nil: nobody can.
	Make func(ctx context.Context, id shard.ID) error
	// Welcome makes sure that a shard to come can be reached at an address, is
	// empty, and has the schema.
	Welcome func(ctx context.Context, id shard.ID, addr string) error
	// Abort takes back what is half moved and ends the plan.
	Abort func(ctx context.Context) error
	// By says who changes it, for people.
	By string
	// Here says that whoever changes the ring carries the plan out, not the nodes.
	Here bool
	Now  func() time.Time
}

// CanMake tells whether an instance can be made for a shard without an address.
func (d *Desk) CanMake() bool { return d.Make != nil }

// Order changes the ring as an admin wants; errors have the codes and reasons of
// the API.
func (d *Desk) Order(ctx context.Context, o api.ReshardOrder) error {
	from, err := d.Ring.Read(ctx)
	if err != nil {
		return ringError(err)
	}
	if from.Version != o.Version {
		return Coded(chat.CodeConflict, string(shard.CauseRingChanged), fmt.Errorf("the ring has changed meanwhile: it has version %d, not %d", from.Version, o.Version))
	}
	if o.Action == "abort" {
		return ringError(d.end(ctx, from))
	}
	to, err := d.next(from, o)
	if err != nil {
		return ringError(err)
	}
	if o.Action == "add" {
		// The change was possible on paper; only now is something made.
		if err := d.Ready(ctx, o); err != nil {
			return ringError(err)
		}
	}
	return ringError(d.Ring.Change(ctx, from, to))
}

// abortPatience is how long an order to abort waits for what is under way.
const abortPatience = 20 * time.Second

// end aborts the plan. It is paused at once; taking back what is half moved may
// take longer than somebody wants to wait, and goes on when it is asked again.
func (d *Desk) end(ctx context.Context, from *shard.Ring) error {
	if from.Plan == nil {
		return shard.ErrNoPlan
	}
	ctx, cancel := context.WithTimeout(ctx, abortPatience)
	defer cancel()
	err := d.Abort(ctx)
	if err != nil && ctx.Err() != nil {
		return Coded(chat.CodeConflict, reasonHalfMoved, fmt.Errorf("nothing moves any more, but what is half moved is not taken back yet: abort again (%w)", err))
	}
	return err
}

// next is the document that the order asks for.
func (d *Desk) next(from *shard.Ring, o api.ReshardOrder) (*shard.Ring, error) {
	plan := shard.Plan{ID: planName(o, from), By: d.By, Detached: !d.Here, Slowdown: DefaultSlowdown, BegunMS: d.Now().UnixMilli()}
	if o.MBps != nil {
		plan.MBps = *o.MBps
	}
	if o.Slowdown != nil {
		plan.Slowdown = *o.Slowdown
	}
	id, yes, no, nodes := shard.ID(o.Shard), true, false, !d.Here
	switch o.Action {
	case "add":
		addr := o.Addr
		if addr == "" {
			addr = "@" + o.Shard
		}
		return from.Add(id, addr, plan)
	case "remove":
		return from.Remove(id, plan)
	case "reverse":
		return from.Reverse(plan)
	case "pause":
		return from.Adjust(shard.PlanChange{Paused: &yes})
	case "resume":
		// Whoever began it may be gone.
		return from.Adjust(shard.PlanChange{Paused: &no, Detached: &nodes, TakenBy: d.By})
	}
	return from.Adjust(shard.PlanChange{MBps: o.MBps, Slowdown: o.Slowdown})
}

// planName names a reshard and its receipts: no two documents have the same
// version.
func planName(o api.ReshardOrder, from *shard.Ring) string {
	name := fmt.Sprintf("v%d-%s", from.Version+1, o.Action)
	if o.Shard != "" {
		name += "-" + o.Shard
	}
	return name
}

// Ready makes sure that the shard to come is there.
func (d *Desk) Ready(ctx context.Context, o api.ReshardOrder) error {
	if o.Addr != "" {
		return d.Welcome(ctx, shard.ID(o.Shard), o.Addr)
	}
	if d.Make == nil {
		return chat.Errorf(chat.CodeNoInstance, "nobody here makes a PostgreSQL instance: give the address of one")
	}
	if err := d.Make(ctx, shard.ID(o.Shard)); err != nil {
		return Coded(chat.CodeNoInstance, reasonNotMade, err, "shard", o.Shard)
	}
	return nil
}

// ringError gives errors of the ring their codes.
func ringError(err error) error {
	var already *chat.Error
	if err == nil || errors.As(err, &already) {
		return err
	}
	code := func(c chat.Code) error {
		return &chat.Error{Code: c, Message: err.Error(), Err: err, Reason: reasonFor(err)}
	}
	var few *reshard.NoMajorityError
	var unsure *reshard.UnknownError
	var addr *shard.AddrError
	var changed *reshard.ConflictError
	var going *shard.UnderwayError
	var seat *shard.SeatError
	switch {
	case errors.As(err, &few), errors.As(err, &unsure), errors.Is(err, reshard.ErrNoRing):
		e := chat.Retryable(chat.CodeShardDown, time.Second, err, "%v", err)
		e.Reason = reasonFor(err)
		return e
	case errors.As(err, &addr):
		return code(chat.CodeBadRequest)
	case errors.As(err, &changed), errors.As(err, &going), errors.As(err, &seat), errors.Is(err, shard.ErrNoPlan),
		errors.Is(err, shard.ErrNothingOld), errors.Is(err, shard.ErrUnsettled):
		return code(chat.CodeConflict)
	}
	return err
}

package notify

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	jobLease    = 3 * time.Minute // longer than a job can be in hand
	maxAttempts = 8
	maxAge      = 24 * time.Hour // of what is to be told
	firstRetry  = 10 * time.Second
	longRetry   = 4 * time.Hour
	retryGrowth = 3
)

// claimDue takes jobs of one shard that are due into hand, and tells how many
// there were.
func (n *Notifier) claimDue(ctx context.Context, q Queue) (int, error) {
	room := min(n.lanes.room(), 64)
	if room <= 0 {
		return 0, nil
	}
	jobs, err := q.Claim(ctx, room, jobLease)
	if err != nil {
		return 0, err
	}
	var back []Job
	var waits []time.Duration
	for _, j := range jobs {
		a, wait := n.lanes.enter(j.Device.Host, j.Device.User, time.Now())
		if a == nil {
			back, waits = append(back, j), append(waits, jitter(wait))
			continue
		}
		n.work.Go(func() {
			defer func() { n.lanes.leave(j.Device.Host, j.Device.User, time.Now()) }()
			n.serve(n.calls, j, a)
		})
	}
	return len(jobs), n.cfg.Desk.Later(ctx, back, waits)
}

// serve waits for the turn of a job and does it.
func (n *Notifier) serve(ctx context.Context, j Job, a *lane) {
	select {
	case a.turns <- struct{}{}:
	case <-ctx.Done():
		return // the lease ends by itself
	}
	defer func() { <-a.turns }()
	if wait := n.lanes.spend(a, time.Now()); wait > 0 && nap(ctx, wait) != nil {
		return
	}
	if j.Device.Kind == BotWebhook {
		n.serveBot(ctx, j, a)
		return
	}
	n.push(ctx, j, a)
}

// push does one job of a person: at most once.
func (n *Notifier) push(ctx context.Context, j Job, a *lane) {
	st, ok, err := n.cfg.Desk.State(ctx, j)
	if err == nil && (!ok || !st.Member) {
		n.end(ctx, j, Result{Kind: ResultEnded})
		return
	}
	var d draft
	if err == nil && j.Age < maxAge {
		d, ok, err = n.compose(ctx, j, st)
	} else {
		ok = false
	}
	switch {
	case err != nil:
		n.cfg.Log.Debug("a push waits", "error", err)
		n.later(ctx, j, putOff)
		return
	case !ok:
		n.end(ctx, j, Result{Kind: ResultSkip, At: Attempt{Seq: st.Seq}})
		return
	}
	begun, err := n.cfg.Desk.Begin(ctx, j, d.attempt)
	if err != nil || !begun {
		// Whether it was recorded is not known, so it is not made: it may have
		// been, and made twice is worse than not at all.
		return
	}
	topic := topicOf(j.Device.User, j.Channel)
	out := n.call(ctx, j.Device, push{body: d.payload.encode(), topic: topic, urgency: d.urgency})
	n.counts.called(out)
	n.finish(ctx, j, a, d, out)
}

// finish settles a job by the outcome of its call.
func (n *Notifier) finish(ctx context.Context, j Job, a *lane, d draft, out outcome) {
	r := Result{At: d.attempt, Prev: d.prev}
	switch out.verdict {
	case delivered:
		r.Kind = ResultSent
	case gone:
		r.Kind = ResultGone
	case failed:
		if out.after > 0 {
			n.lanes.pause(a, time.Now(), out.after)
		}
		if j.Attempts+1 >= maxAttempts || j.Age >= maxAge {
			r.Kind = ResultDrop
			break
		}
		r.Kind, r.Wait = ResultRetry, retryWait(j.Attempts, out.after)
	case refused:
		r.Kind = ResultDrop
	default:
		return // it may have been delivered: nobody knows, and nobody asks again
	}
	n.end(ctx, j, r)
}

// later puts a job back.
func (n *Notifier) later(ctx context.Context, j Job, wait time.Duration) {
	if err := n.cfg.Desk.Later(ctx, []Job{j}, []time.Duration{jitter(wait)}); err != nil && ctx.Err() == nil {
		n.cfg.Log.Debug("a push waits until its lease ends", "error", err)
	}
}

// end settles a job. If that fails the job is as it was: what has been
// recorded is not sent again, and what has not when the lease ends.
func (n *Notifier) end(ctx context.Context, j Job, r Result) {
	if err := n.cfg.Desk.End(ctx, j, r); err != nil && ctx.Err() == nil {
		n.cfg.Log.Debug("a push could not be settled", "error", err)
	}
}

// retryWait grows from try to try; what the other side asked for is heeded.
func retryWait(attempts int, after time.Duration) time.Duration {
	wait := firstRetry
	for range attempts {
		wait = min(wait*retryGrowth, longRetry)
	}
	return max(jitter(wait), after)
}

// jitter spreads waits over three quarters to five quarters of d.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/2+1)
}

// nap waits, unless ctx ends before.
func nap(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Storm is what the death of a node with many sessions brought about.
type Storm struct {
	Node       string    `json:"node"`         // that was killed
	Sessions   int       `json:"sessions"`     // that it had
	BackS      float64   `json:"back_s"`       // from the kill until all of them were back
	HalfBackS  float64   `json:"half_back_s"`  // until half of them were
	AckBefore  Quantiles `json:"ack_ms"`       // of sends by others, before
	AckDuring  Quantiles `json:"ack_storm_ms"` // and until all were back
	SendsAlong int64     `json:"sends"`        // acknowledged meanwhile
}

const (
	stormPairs    = 10
	stormRate     = 200 // messages a second of all pairs
	stormPatience = 2 * time.Minute
)

// storm: many sessions on one node, some pairs that talk, and that node killed.
func storm(ctx context.Context, o Options) (Result, error) {
	if o.Kill == nil || o.Crowd == nil {
		return Result{}, errors.New("a storm needs the data folder of a gori up on this host: it kills a node")
	}
	if o.Conns == 0 {
		o.Conns = 5_000
	}
	if o.Rate == 0 {
		o.Rate = stormRate
	}
	r := Result{Conns: o.Conns}
	people, err := o.people(ctx, stormPeople(o.Conns))
	if err != nil {
		return r, err
	}
	t := newTalk(o)
	t.body = t.text()
	for i := range stormPairs {
		c, err := people[2*i].Direct(ctx, people[2*i+1].Me().ID)
		if err != nil {
			return r, err
		}
		t.addRoom(c.ID, c.LastSeq, people[2*i:2*i+2], 2)
	}
	node, err := people[0].Discover(ctx)
	if err != nil {
		return r, err
	}
	start := time.Now()
	crowd, err := startCrowd(o.Crowd(ctx, o.Conns, node))
	if err != nil {
		return r, err
	}
	defer crowd.stop()
	if _, err := t.until(ctx, crowd, func(w crowdWord) bool { return w.Up == o.Conns }); err != nil {
		return r, err
	}
	r.ConnsPerS = round(float64(o.Conns)/time.Since(start).Seconds(), 1)
	o.say("%d sessions after %.1f s", o.Conns, time.Since(start).Seconds())
	if err := t.connect(ctx); err != nil {
		return r, err
	}
	defer t.close()
	pacer := t.begin(ctx)
	defer pacer.Wait()
	defer t.sending.Store(false)
	return t.stormy(ctx, r, crowd, strings.Split(node, "/")[2]) // it is /n/NODE/ws
}

// until waits for a word of the crowd that is as wished.
func (t *talk) until(ctx context.Context, crowd *crowdProcess, wished func(crowdWord) bool) (crowdWord, error) {
	start := time.Now()
	for {
		w, err := crowd.word()
		if err != nil {
			return crowdWord{}, err
		}
		if w != nil && wished(*w) {
			return *w, nil
		}
		if time.Since(start) > stormPatience {
			return crowdWord{}, fmt.Errorf("after %v the crowd is not as it should be: %+v", stormPatience, w)
		}
		if err := t.wait(ctx, 10*time.Millisecond); err != nil {
			return crowdWord{}, err
		}
	}
}

// stormy measures the talk, kills the crowd's node and measures until all are
// back.
func (t *talk) stormy(ctx context.Context, r Result, crowd *crowdProcess, node string) (Result, error) {
	if err := t.wait(ctx, t.o.Warmup); err != nil {
		return r, err
	}
	from := measure(t.o.Processes())
	t.measuring.Store(true)
	if err := t.wait(ctx, t.o.For); err != nil {
		return r, err
	}
	s := &Storm{Node: node, AckBefore: t.ack.quantiles()}
	r.Storm = s
	for _, m := range t.members {
		m.apart.Store(m.node.Load() != nil && *m.node.Load() == node)
	}
	before, err := crowd.word()
	if err != nil {
		return r, err
	}
	s.Sessions = before.Up
	t.ack.reset()
	acked := t.acked.Load()
	start := time.Now()
	if err := t.o.Kill(node); err != nil {
		return r, err
	}
	t.o.say("node %s killed with %d sessions", node, s.Sessions)
	after, err := t.until(ctx, crowd, func(w crowdWord) bool {
		if s.HalfBackS == 0 && 2*w.Back >= s.Sessions {
			s.HalfBackS = round(time.Since(start).Seconds(), 2)
		}
		return w.Back >= s.Sessions
	})
	if err != nil {
		return r, err
	}
	s.BackS = round(time.Since(start).Seconds(), 2)
	t.measuring.Store(false)
	s.AckDuring, s.SendsAlong = t.ack.quantiles(), t.acked.Load()-acked
	r.fill(from, measure(t.o.Processes()), t.acked.Load(), t.delivered.Load())
	t.sending.Store(false)
	r.Reconnected, r.LongestGapMS = after.Connects-before.Connects, float64(after.GapMS)
	if err := t.drain(ctx); err != nil {
		return r, err
	}
	return r, t.settle(ctx, &r)
}

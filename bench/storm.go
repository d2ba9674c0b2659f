package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"gori/client"
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

// crowdMember is one of many sessions that only beat.
type crowdMember struct {
	live *client.Live
	node atomic.Pointer[string] // nil: not connected
}

// storm: many sessions, some pairs that talk, and a node killed.
func storm(ctx context.Context, o Options) (Result, error) {
	if o.Kill == nil {
		return Result{}, errors.New("a storm needs the data folder of a gori up on this host: it kills a node")
	}
	if o.Conns == 0 {
		o.Conns = 5_000
	}
	if o.Rate == 0 {
		o.Rate = stormRate
	}
	r := Result{Conns: o.Conns}
	people, err := o.people(ctx, 2*stormPairs+(o.Conns+sessionsPerUser-1)/sessionsPerUser)
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
	all := make([]*crowdMember, o.Conns)
	defer func() { leaveCrowd(all) }()
	start := time.Now()
	if err := gatherCrowd(ctx, all, people[2*stormPairs:]); err != nil {
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
	return t.stormy(ctx, r, all)
}

// stormy measures the talk, kills the node with the most sessions and measures
// until all are back.
func (t *talk) stormy(ctx context.Context, r Result, all []*crowdMember) (Result, error) {
	if err := t.wait(ctx, t.o.Warmup); err != nil {
		return r, err
	}
	from := measure(t.o.Processes())
	t.measuring.Store(true)
	if err := t.wait(ctx, t.o.For); err != nil {
		return r, err
	}
	s := &Storm{AckBefore: t.ack.quantiles()}
	r.Storm = s
	hit := fullest(all)
	s.Node, s.Sessions = hit.node, len(hit.members)
	for _, m := range t.members {
		m.apart.Store(m.node.Load() != nil && *m.node.Load() == hit.node)
	}
	t.ack.reset()
	acked := t.acked.Load()
	start := time.Now()
	if err := t.o.Kill(hit.node); err != nil {
		return r, err
	}
	t.o.say("node %s killed with %d sessions", hit.node, s.Sessions)
	for back := 0; back < s.Sessions; {
		if time.Since(start) > stormPatience {
			return r, fmt.Errorf("after %v %d of %d sessions are back", stormPatience, back, s.Sessions)
		}
		if err := t.wait(ctx, 10*time.Millisecond); err != nil {
			return r, err
		}
		back = hit.back()
		if s.HalfBackS == 0 && 2*back >= s.Sessions {
			s.HalfBackS = round(time.Since(start).Seconds(), 2)
		}
	}
	s.BackS = round(time.Since(start).Seconds(), 2)
	t.measuring.Store(false)
	s.AckDuring, s.SendsAlong = t.ack.quantiles(), t.acked.Load()-acked
	r.fill(from, measure(t.o.Processes()), t.acked.Load(), t.delivered.Load())
	t.sending.Store(false)
	for _, m := range all {
		r.Reconnected += m.live.Connects() - 1
		r.LongestGapMS = max(r.LongestGapMS, float64(m.live.Stats().LongestGap.Milliseconds()))
	}
	if err := t.drain(ctx); err != nil {
		return r, err
	}
	return r, t.settle(ctx, &r)
}

// crowdOf is the part of a crowd that one node has.
type crowdOf struct {
	node     string
	members  []*crowdMember
	connects []int64 // of each, before the kill
}

func fullest(all []*crowdMember) crowdOf {
	by := map[string][]*crowdMember{}
	most := ""
	for _, m := range all {
		if node := m.node.Load(); node != nil {
			by[*node] = append(by[*node], m)
			if len(by[*node]) > len(by[most]) {
				most = *node
			}
		}
	}
	c := crowdOf{node: most, members: by[most]}
	for _, m := range c.members {
		c.connects = append(c.connects, m.live.Connects())
	}
	return c
}

// back counts the sessions that were resumed since.
func (c crowdOf) back() (n int) {
	for i, m := range c.members {
		if m.live.Connects() > c.connects[i] && m.node.Load() != nil {
			n++
		}
	}
	return n
}

// gatherCrowd connects a session for each place, each where discover says.
func gatherCrowd(ctx context.Context, all []*crowdMember, people []*client.Client) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(dialsAtOnce)
	for i := range all {
		m := &crowdMember{}
		all[i] = m
		g.Go(func() error {
			if gctx.Err() != nil {
				return gctx.Err()
			}
			// The life of a Live is longer than gctx.
			m.live = people[i%len(people)].Start(ctx, client.LiveOptions{CatchUp: -1, Events: client.Events{
				Connected:    func(r client.Resumed) { m.node.Store(&r.Node) },
				Disconnected: func(error) { m.node.Store(nil) },
			}})
			select {
			case <-m.live.Ready():
				return nil
			case <-m.live.Done():
				return fmt.Errorf("connection %d: %w", i+1, m.live.Err())
			case <-gctx.Done():
				return gctx.Err()
			}
		})
	}
	return g.Wait()
}

func leaveCrowd(all []*crowdMember) {
	var wg sync.WaitGroup
	for _, m := range all {
		if m != nil && m.live != nil {
			wg.Go(m.live.Close)
		}
	}
	wg.Wait()
}

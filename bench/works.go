package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"gori/client"
)

// pairs: two people each, both sending.
func pairs(ctx context.Context, o Options) (Result, error) {
	people, err := o.people(ctx, 2*o.Pairs)
	if err != nil {
		return Result{Pairs: o.Pairs}, err
	}
	t := newTalk(o)
	channels := make([]client.Channel, o.Pairs)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i := range channels {
		g.Go(func() error {
			c, err := people[2*i].Direct(gctx, people[2*i+1].Me().ID)
			channels[i] = c
			if err == nil { // the peer's inbox would learn of it with the first message only
				_, err = people[2*i+1].Direct(gctx, people[2*i].Me().ID)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return Result{Pairs: o.Pairs}, err
	}
	for i, c := range channels {
		t.addRoom(c.ID, c.LastSeq, people[2*i:2*i+2], 2)
	}
	r, err := t.run(ctx)
	r.Pairs = o.Pairs
	return r, err
}

// group: one channel of many.
func group(ctx context.Context, o Options) (Result, error) {
	people, err := o.people(ctx, o.Members)
	if err != nil {
		return Result{Members: o.Members}, err
	}
	ids := make([]client.UserID, 0, len(people)-1)
	for _, p := range people[1:] {
		ids = append(ids, p.Me().ID)
	}
	c, err := people[0].CreateGroup(ctx, client.NewGroup{Name: fmt.Sprintf("bench of %d", o.Members), Members: ids, Limit: max(100, o.Members)})
	if err != nil {
		return Result{Members: o.Members}, err
	}
	t := newTalk(o)
	t.addRoom(c.ID, c.LastSeq, people, o.Senders)
	r, err := t.run(ctx)
	r.Members = o.Members
	return r, err
}

// grownNode is how much memory a node that has done nothing yet stays under.
const grownNode = 100 << 20

// idle: connections that only beat.
func idle(ctx context.Context, o Options) (Result, error) {
	if o.Conns == 0 {
		o.Conns = 1_000
	}
	r := Result{Conns: o.Conns}
	people, err := o.people(ctx, (o.Conns+sessionsPerUser-1)/sessionsPerUser)
	if err != nil {
		return r, err
	}
	if err := sleep(ctx, o.Warmup); err != nil {
		return r, err
	}
	before := measure(o.Processes())
	start := time.Now()
	lives, err := crowd(ctx, o, people)
	defer leave(lives)
	if err != nil {
		return r, err
	}
	took := time.Since(start)
	r.ConnsPerS = round(float64(o.Conns)/took.Seconds(), 1)
	o.say("%d connections after %.1f s; measuring them idle for %v", o.Conns, took.Seconds(), o.For)
	if err := sleep(ctx, o.Warmup); err != nil {
		return r, err
	}
	from := measure(o.Processes())
	if err := sleep(ctx, o.For); err != nil {
		return r, err
	}
	to := measure(o.Processes())
	r.fill(from, to, 0, 0)
	r.BytesPerConn = round(float64(to.serverRSS-before.serverRSS)/float64(o.Conns), 0)
	if before.serverRSS > grownNode {
		o.say("the node held %d MB before: the memory of a connection is true only on a node started anew", before.serverRSS>>20)
	}
	for _, l := range lives {
		r.Reconnected += l.Connects() - 1
	}
	return r, nil
}

// crowd connects o.Conns sessions, each user's several.
func crowd(ctx context.Context, o Options, people []*client.Client) ([]*client.Live, error) {
	lives := make([]*client.Live, 0, o.Conns)
	path, err := people[0].Discover(ctx)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(dialsAtOnce)
	for i := range o.Conns {
		g.Go(func() error {
			if gctx.Err() != nil {
				return gctx.Err()
			}
			l, err := people[i%len(people)].Connect(ctx, client.LiveOptions{CatchUp: -1, Endpoint: path})
			if err != nil {
				return fmt.Errorf("connection %d: %w", i+1, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if lives = append(lives, l); len(lives)%2_000 == 0 {
				o.say("%d of %d connections", len(lives), o.Conns)
			}
			return nil
		})
	}
	err = g.Wait()
	return lives, err
}

func leave(lives []*client.Live) {
	var g errgroup.Group
	g.SetLimit(dialsAtOnce)
	for _, l := range lives {
		g.Go(func() error { l.Close(); return nil })
	}
	_ = g.Wait() // the functions return no error
}

// connects: sessions resumed a second, by o.Conns devices that connect, resume
// and leave again and again.
func connects(ctx context.Context, o Options) (Result, error) {
	if o.Conns == 0 {
		o.Conns = 32
	}
	r := Result{Conns: o.Conns}
	people, err := o.people(ctx, min(o.Conns, 256))
	if err != nil {
		return r, err
	}
	path, err := people[0].Discover(ctx)
	if err != nil {
		return r, err
	}
	var took histogram
	var n atomic.Int64
	var measuring atomic.Bool
	g, gctx := errgroup.WithContext(ctx)
	stop, cancel := context.WithCancel(gctx)
	defer cancel()
	for i := range o.Conns {
		g.Go(func() error {
			for stop.Err() == nil {
				start := time.Now()
				l, err := people[i%len(people)].Connect(gctx, client.LiveOptions{CatchUp: -1, Endpoint: path})
				if err != nil {
					return err
				}
				if measuring.Load() {
					took.add(time.Since(start))
					n.Add(1)
				}
				l.Close()
			}
			return nil
		})
	}
	r, err = watch(gctx, o, r, &measuring, &n)
	cancel()
	if gerr := g.Wait(); gerr != nil {
		return r, gerr
	}
	r.AckMS = took.quantiles()
	return r, err
}

// watch measures around what others do.
func watch(ctx context.Context, o Options, r Result, measuring *atomic.Bool, n *atomic.Int64) (Result, error) {
	if err := sleep(ctx, o.Warmup); err != nil {
		return r, err
	}
	from := measure(o.Processes())
	measuring.Store(true)
	if err := sleep(ctx, o.For); err != nil {
		return r, err
	}
	measuring.Store(false)
	to := measure(o.Processes())
	r.fill(from, to, n.Load(), 0)
	r.ConnsPerS = round(float64(n.Load())/to.at.Sub(from.at).Seconds(), 1)
	return r, nil
}

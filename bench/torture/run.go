package torture

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gori/client"
)

// Run tortures a system and tells what became of its promises. An error means
// that the run could not be made; violations are in the report.
func Run(ctx context.Context, sys System, o Options) (*Report, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	w := &world{o: o, sys: sys, http: client.NewHTTP(), start: time.Now(), silence: make(chan struct{})}
	defer w.http.CloseIdleConnections()
	r, err := w.run(ctx)
	if ctx.Err() != nil {
		return nil, errStopped
	}
	return r, err
}

func (w *world) run(ctx context.Context) (*Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	setUp, done := context.WithTimeout(ctx, time.Minute)
	defer done()
	if err := w.build(setUp); err != nil {
		return nil, fmt.Errorf("making people and channels: %w", err)
	}
	defer w.closeAll()
	if err := w.connect(ctx, setUp); err != nil {
		return nil, err
	}
	w.locate(ctx)
	plan := Plan(w.o.Seed, w.o.Faults, w.o.For, len(w.sys.Nodes()), len(w.sys.Shards()), len(w.people))
	w.say("%d people with %d devices in %d channels; %d faults in %.0f s", len(w.people), len(w.devices()), len(w.channels), len(plan), w.o.For.Seconds())
	log, err := w.suffer(ctx, plan)
	if err != nil {
		return nil, err
	}
	r := &Report{Seed: w.o.Seed, Faults: len(log), Unhealed: w.unhealed.Load()}
	healed := time.Now()
	w.heal(ctx, r)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	r.SettledMS = time.Since(healed).Milliseconds()
	w.locate(ctx)
	if err := w.judgeShards(ctx, r); err != nil {
		return nil, err
	}
	w.judge(ctx, r, log)
	for _, f := range log {
		f.At -= w.began
		r.Log = append(r.Log, f.String())
	}
	return r, ctx.Err()
}

func (w *world) devices() []*device {
	var list []*device
	for _, p := range w.people {
		list = append(list, p.devices...)
	}
	return list
}

// connect gives every person devices: one that stays, mostly one that wanders,
// for some one that is away until the end.
func (w *world) connect(ctx, setUp context.Context) error {
	for _, p := range w.people {
		newDevice(p, 0, true)
		if p.i%2 == 1 {
			newDevice(p, 1, false)
		}
		for _, d := range p.devices {
			d.come(ctx)
		}
	}
	for _, d := range w.devices() {
		select {
		case <-d.live.Ready():
		case <-d.live.Done():
			return fmt.Errorf("%s: %w", d.name, d.live.Err())
		case <-setUp.Done():
			return fmt.Errorf("%s is not connected after a minute", d.name)
		}
	}
	return nil
}

// suffer lets people act while faults come, and returns when both have ended
// and everything is healed. The log has the times as they were.
func (w *world) suffer(ctx context.Context, plan []Fault) ([]Fault, error) {
	w.began = w.now()
	w.talking.Store(true)
	var lag sync.WaitGroup
	defer lag.Wait()
	acting, cancel := context.WithCancel(ctx)
	defer cancel()
	lag.Go(func() { w.watchLag(acting) })
	wait := w.act(ctx)
	g, gctx := errgroup.WithContext(ctx)
	log := make([]Fault, 0, len(plan)) // never grows beyond, so entries stay in their place
	for _, f := range plan {
		if pause(gctx, w.began+f.At-w.now()) != nil {
			break
		}
		f.Shard = w.sys.Victim(f)
		w.say("%s", f)
		f.near = w.around(gctx, f)
		f.At = w.now()
		log = append(log, f)
		at := len(log) - 1
		w.faulty.Add(1)
		g.Go(func() error {
			err := w.inject(gctx, f)
			w.faulty.Add(-1)
			log[at].For = w.now() - f.At
			w.afterwards(gctx, f)
			return err
		})
	}
	_ = pause(ctx, w.began+w.o.For-w.now()) // ctx is looked at below
	w.talking.Store(false)
	close(w.silence)
	if n := w.faulty.Load(); n > 0 {
		w.say("people are silent; %d faults are not over", n)
	}
	err := g.Wait()
	w.say("the last fault is over after %.1f s", (w.now() - w.began).Seconds())
	wait()
	if err == nil {
		err = ctx.Err()
	}
	return log, err
}

// inject does a fault. One that is not over some time after all should be well
// again is a violation: the system was to heal by itself, or the next command of
// an admin was to go on.
func (w *world) inject(ctx context.Context, f Fault) error {
	if f.Kind == SlowClient {
		w.slowClient(ctx, w.people[f.Target%len(w.people)], f.For)
		return nil
	}
	within := max(w.began+w.o.For, w.now()+f.For) + w.o.Patience
	bound, cancel := context.WithTimeout(ctx, within-w.now())
	defer cancel()
	began := w.now()
	err := w.sys.Inject(bound, f)
	switch {
	case ctx.Err() != nil:
		return nil
	case bound.Err() != nil:
		w.unhealed.Add(1)
		w.problem("a fault did not heal", fmt.Sprintf("%s: not over after %.1f s: %v", f, (w.now()-began).Seconds(), cmp.Or(err, bound.Err())))
		return nil
	case err != nil:
		return fmt.Errorf("the fault %s: %w", f, err)
	}
	return nil
}

// heal brings all devices back and waits until everything is answered and all
// agree, or patience ends.
func (w *world) heal(ctx context.Context, r *Report) {
	for _, p := range w.people {
		newDevice(p, len(p.devices), true) // sees everything by history
	}
	for _, d := range w.devices() {
		d.come(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, w.o.Patience)
	defer cancel()
	w.say("healed; waiting for what is under way")
	w.until(ctx, func() bool { return w.open() == 0 })
	w.settleMarks(ctx)
	r.Unsettled = int64(w.open())
	w.say("reading what the server has")
	for _, ch := range w.channels {
		if err := ch.readTruth(ctx); err != nil {
			w.problem("a channel's history cannot be read", fmt.Sprintf("%s: %v", ch.name, err))
		}
	}
	w.say("waiting until all devices agree with it")
	w.until(ctx, func() bool { return len(w.compareDevices(1)) == 0 })
	w.until(ctx, func() bool { return len(w.compareUnread(ctx, 1)) == 0 })
}

// until polls until ok, or ctx ends.
func (w *world) until(ctx context.Context, ok func() bool) {
	for !ok() {
		if pause(ctx, 100*time.Millisecond) != nil {
			return
		}
	}
}

func (w *world) open() int {
	n := 0
	for _, p := range w.people {
		n += int(p.open.Load())
	}
	return n
}

// settleMarks moves the read marks again that may or may not have been taken.
func (w *world) settleMarks(ctx context.Context) {
	for _, ch := range w.channels {
		for p, s := range ch.seats {
			s.mu.Lock()
			again := s.unsure
			s.mu.Unlock()
			for again > 0 && ctx.Err() == nil && !s.mark(ctx, p, ch, again) {
				_ = pause(ctx, 200*time.Millisecond) // ctx is looked at above
			}
		}
	}
}

func (w *world) closeAll() {
	var g errgroup.Group
	for _, d := range w.devices() {
		g.Go(func() error { d.leave(false); return nil })
	}
	_ = g.Wait() // the functions return no error
}

// slowClient connects as a person, and stops reading.
func (w *world) slowClient(ctx context.Context, p *person, d time.Duration) {
	tr := w.http.Transport.(*http.Transport).Clone()
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, network, addr)
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(4 << 10) // as small as the kernel allows
		}
		return conn, err
	}
	defer tr.CloseIdleConnections()
	c, err := client.New(w.sys.URL(), client.Options{HTTP: &http.Client{Transport: tr}, Token: p.c.Token(), UserAgent: "gori torture, slow"})
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	stuck := make(chan struct{})
	l := c.Start(ctx, client.LiveOptions{CatchUp: -1, Heartbeat: time.Hour, Events: client.Events{
		Delivery: func(client.Delivery) { <-stuck }, // what it has read it never finishes with
	}})
	<-ctx.Done()
	close(stuck)
	l.Close()
}

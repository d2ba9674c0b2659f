package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"gori/client"
)

const (
	ring           = 1024 // send times kept of one sender
	settlePatience = 20 * time.Second
	drainPatience  = 90 * time.Second // for acks and deliveries after the last send
	stallPatience  = 20 * time.Second // without any progress in the drain
)

// talk is a run in which members of rooms send to each other.
type talk struct {
	o       Options
	stamp   stamp
	body    string
	members []*member // by their number as senders
	rooms   []*room

	sending   atomic.Bool
	measuring atomic.Bool
	acked     atomic.Int64
	delivered atomic.Int64
	ack       histogram
	deliver   histogram

	failOnce sync.Once
	failure  error
	failed   chan struct{}
}

// room is one channel.
type room struct {
	id      client.ChannelID
	start   client.Seq // the last one before this run
	members []*member
}

// member is one person in one room.
type member struct {
	t      *talk
	c      *client.Client
	live   *client.Live
	room   *room
	number int // among all members of all rooms
	place  int // in the room
	sends  bool
	node   atomic.Pointer[string] // of the present session
	apart  atomic.Bool            // its acknowledgements are not measured

	mu    sync.Mutex // of sending
	next  uint32
	acked atomic.Uint32
	sent  [ring]atomic.Int64

	seen []tally // by place of the sender; owned by live's events
}

func newTalk(o Options) *talk {
	return &talk{o: o, stamp: newStamp(), failed: make(chan struct{}),
		body: strings.Repeat("a message as people write it, 메시지 ", o.Size/20+1)}
}

func (t *talk) addRoom(id client.ChannelID, start client.Seq, people []*client.Client, senders int) {
	r := &room{id: id, start: start}
	for i, c := range people {
		m := &member{t: t, c: c, room: r, number: len(t.members), place: i, sends: i < senders, seen: make([]tally, len(people))}
		r.members = append(r.members, m)
		t.members = append(t.members, m)
	}
	t.rooms = append(t.rooms, r)
}

// text is a body of o.Size characters.
func (t *talk) text() string {
	n := 0
	for i := range t.body {
		if n == t.o.Size {
			return t.body[:i]
		}
		n++
	}
	return t.body
}

func (t *talk) fail(err error) {
	t.failOnce.Do(func() {
		t.failure = err
		close(t.failed)
	})
}

// run connects, warms up, measures, drains and compares.
func (t *talk) run(ctx context.Context) (Result, error) {
	t.body = t.text()
	var r Result
	if err := t.connect(ctx); err != nil {
		return r, err
	}
	defer t.close()
	pacer := t.begin(ctx)
	defer pacer.Wait()
	defer t.sending.Store(false)
	if err := t.wait(ctx, t.o.Warmup); err != nil {
		return r, err
	}
	from, acked, delivered := measure(t.o.Processes()), t.acked.Load(), t.delivered.Load()
	t.measuring.Store(true)
	if err := t.watch(ctx, t.o.For); err != nil {
		return r, err
	}
	t.measuring.Store(false)
	to := measure(t.o.Processes())
	acked, delivered = t.acked.Load()-acked, t.delivered.Load()-delivered
	t.sending.Store(false)
	r.fill(from, to, acked, delivered)
	secs := to.at.Sub(from.at).Seconds()
	r.AckedPerS, r.DeliveredPerS = round(float64(acked)/secs, 1), round(float64(delivered)/secs, 1)
	r.AckMS, r.DeliverMS = t.ack.quantiles(), t.deliver.quantiles()
	t.o.say("measured; waiting for what is under way, then comparing with history")
	if err := t.drain(ctx); err != nil {
		return r, err
	}
	return r, t.settle(ctx, &r)
}

func (t *talk) connect(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(dialsAtOnce)
	for _, m := range t.members {
		g.Go(func() error {
			// The life of a Live is longer than gctx.
			l := m.c.Start(ctx, client.LiveOptions{
				Events:  client.Events{Delivery: m.heard, Connected: func(r client.Resumed) { m.node.Store(&r.Node) }},
				Window:  t.o.Window,
				CatchUp: 10_000_000,
				Backoff: client.Backoff{Cap: 2 * time.Second},
			})
			m.live = l
			select {
			case <-l.Ready():
				return nil
			case <-l.Done():
				return fmt.Errorf("connecting: %w", l.Err())
			case <-gctx.Done():
				return gctx.Err()
			}
		})
	}
	err := g.Wait()
	if err == nil {
		err = t.settled(ctx)
	}
	if err != nil {
		t.close()
	}
	return err
}

// settled waits until every device knows of its room: a channel just made
// comes to its members' inboxes a moment later. An empty one may come only
// with its first message, and nothing precedes that.
func (t *talk) settled(ctx context.Context) error {
	end := time.Now().Add(settlePatience)
	for _, m := range t.members {
		for m.room.start > 0 {
			_, cursors := m.live.Cursors()
			if c, ok := cursors[m.room.id]; ok && c.Seq >= m.room.start {
				break
			}
			if time.Now().After(end) {
				return fmt.Errorf("a member has not heard of its channel within %v", settlePatience)
			}
			if err := t.wait(ctx, 10*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *talk) close() {
	var g errgroup.Group
	g.SetLimit(dialsAtOnce)
	for _, m := range t.members {
		if m.live != nil {
			g.Go(func() error { m.live.Close(); return nil })
		}
	}
	_ = g.Wait() // the functions return no error
}

// begin starts the senders: each sends on as its messages are acknowledged, or
// a pacer sends for all.
func (t *talk) begin(ctx context.Context) *sync.WaitGroup {
	t.sending.Store(true)
	var wg sync.WaitGroup
	if t.o.Rate > 0 {
		wg.Go(func() { t.pace(ctx) })
		return &wg
	}
	for range t.o.Window {
		for _, m := range t.members {
			if m.sends {
				m.send(time.Now())
			}
		}
	}
	return &wg
}

// pace sends at the rate, each message timed from when it was due.
func (t *talk) pace(ctx context.Context) {
	var senders []*member
	for _, m := range t.members {
		if m.sends {
			senders = append(senders, m)
		}
	}
	start := time.Now()
	every := time.Duration(float64(time.Second) / t.o.Rate)
	for n := 0; t.sending.Load(); {
		for due := start.Add(time.Duration(n) * every); !due.After(time.Now()) && t.sending.Load(); due = due.Add(every) {
			senders[n%len(senders)].send(due)
			n++
		}
		if sleep(ctx, time.Millisecond) != nil {
			return
		}
	}
}

// send enqueues the sender's next message.
func (m *member) send(at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.next
	m.next++
	m.sent[k%ring].Store(at.UnixNano())
	err := m.live.Enqueue(client.Outgoing{Channel: m.room.id, ClientMsgID: m.t.stamp.id(m.number, k), Body: m.t.body}, m.done)
	if err != nil {
		m.next--
		if errors.Is(err, client.ErrOutboxFull) {
			err = errors.New("the system does not keep up with the rate")
		}
		m.t.fail(err)
	}
}

// done hears of an acknowledgement.
func (m *member) done(r client.Receipt, err error) {
	t := m.t
	if err != nil {
		t.fail(fmt.Errorf("a send was refused: %w", err))
		return
	}
	_, k, _ := t.stamp.read(r.ClientMsgID)
	m.acked.Add(1)
	t.acked.Add(1)
	if t.measuring.Load() && !m.apart.Load() {
		t.ack.add(time.Duration(time.Now().UnixNano() - m.sent[k%ring].Load()))
	}
	if t.o.Rate == 0 && t.sending.Load() {
		m.send(time.Now())
	}
}

// heard takes a delivery. What oneself sent is no delivery.
func (m *member) heard(d client.Delivery) {
	t := m.t
	from, k, ok := t.stamp.read(d.ClientMsgID)
	if !ok || from == m.number || from >= len(t.members) {
		return
	}
	s := t.members[from]
	if s.room != m.room || !m.seen[s.place].take(k) {
		return
	}
	t.delivered.Add(1)
	if t.measuring.Load() {
		t.deliver.add(time.Duration(time.Now().UnixNano() - s.sent[k%ring].Load()))
	}
}

// watch is wait that tells the rates on the way.
func (t *talk) watch(ctx context.Context, d time.Duration) error {
	if t.o.Every == 0 {
		return t.wait(ctx, d)
	}
	start := time.Now()
	acked, delivered := t.acked.Load(), t.delivered.Load()
	for at := time.Duration(0); at < d; {
		step := min(t.o.Every, d-at)
		if err := t.wait(ctx, step); err != nil {
			return err
		}
		at = time.Since(start)
		a, b := t.acked.Load(), t.delivered.Load()
		t.o.say("after %4.1f s: %6.0f acknowledged/s, %7.0f delivered/s", at.Seconds(), float64(a-acked)/step.Seconds(), float64(b-delivered)/step.Seconds())
		acked, delivered = a, b
	}
	return nil
}

// wait waits while the run goes well.
func (t *talk) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.failed:
		return t.failure
	case <-timer.C:
		return nil
	}
}

package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"gori/client"
)

// world is one run: people, channels, what was done and what came of it.
type world struct {
	o     Options
	sys   System
	http  *http.Client
	start time.Time     // the zero of all times kept
	began time.Duration // when people began to act, and faults to come

	people   []*person
	channels []*channel
	byID     map[client.ChannelID]*channel
	byUser   map[client.UserID]*person

	talking  atomic.Bool   // whether people act
	silence  chan struct{} // closed when they end
	sends    atomic.Int64
	opErrors atomic.Int64 // HTTP calls given up
	faulty   atomic.Int64 // faults that are not over
	unhealed atomic.Int64 // those that were not over in time

	mu        sync.Mutex
	suspects  []suspect  // deliveries to be judged, at most maxSuspects
	sightings []sighting // what people saw of others' presence, at most maxSightings
	revoked   []*revoked
	slow      []refusedLate
	problems  []problem
	lag       time.Duration // the longest this process itself was held up
}

// now is the time since the start.
func (w *world) now() time.Duration { return time.Since(w.start) }

func (w *world) say(format string, args ...any) { w.o.Say(fmt.Sprintf(format, args...)) }

// person is a user: a steady device, and others that come and go.
type person struct {
	w       *world
	i       int
	c       *client.Client
	id      client.UserID
	friends []*person
	devices []*device
	absent  atomic.Int32 // channels the person is shut out of now
	open    atomic.Int32 // sends without an answer
}

func (p *person) String() string { return fmt.Sprintf("p%d", p.i) }

// channel is a channel and what was said in it.
type channel struct {
	w       *world
	id      client.ChannelID
	name    string
	group   bool
	members []*person // of a direct channel, or those of a group that never leave; the first is its owner
	seats   map[*person]*seat

	mu    sync.Mutex
	sends []*send
	byMsg map[client.ClientMsgID]*send
	acked []*send // those that can be answered, edited and so on
	reads []lookup
	truth *truth
	homes []string // the shards it was on, in the order in which that was found out
}

// seat is a person's place in a channel.
type seat struct {
	churns bool // is removed and added again

	ops sync.Mutex // held over calls that move the mark or the membership

	mu       sync.Mutex
	in       bool
	read     client.Seq // acknowledged read mark since the last joining
	unsure   client.Seq // a read mark that may or may not have been taken
	absences []absence
	adds     int // acknowledged additions
}

// absence is a time during which nothing of the channel may reach the person:
// from the acknowledgement of the removal to the call that ends it.
type absence struct{ from, to time.Duration }

// send is one message somebody wanted to send.
type send struct {
	ch       *channel
	id       client.ClientMsgID
	k        int // the sender's running number in this channel, from this device
	from     *device
	body     string
	thread   client.Seq
	mentions []client.UserID
	all      bool
	call     time.Duration
	ret      time.Duration // zero: no answer
	seq      client.Seq
	refused  string // the code of a final refusal

	bodies  []string // given by edits
	deleted bool     // somebody tried
	clean   bool     // every alteration was answered quickly and well
	undone  bool     // deleted, acknowledged
}

// lookup is a read of a channel's end: linearizable like the sends.
type lookup struct {
	call, ret time.Duration
	last      client.Seq
}

const (
	groupsFor  = 3 // people a group
	directsFor = 2 // people a direct channel besides the ring
)

// build makes people, friends and channels.
func (w *world) build(ctx context.Context) error {
	rng := rand.New(rand.NewPCG(w.o.Seed, 0xb411d))
	w.people = make([]*person, w.o.People)
	w.byUser, w.byID = map[client.UserID]*person{}, map[client.ChannelID]*channel{}
	for i := range w.people {
		w.people[i] = &person{w: w, i: i}
	}
	if err := w.each(ctx, func(ctx context.Context, p *person) error { return p.signUp(ctx) }); err != nil {
		return err
	}
	for i, p := range w.people {
		w.byUser[p.id] = p
		for d := 1; d <= 2; d++ {
			q := w.people[(i+d)%len(w.people)]
			if err := befriend(ctx, p, q); err != nil {
				return err
			}
		}
	}
	for n := range max(2, len(w.people)/groupsFor) {
		if err := w.group(ctx, rng, n); err != nil {
			return err
		}
	}
	for i, p := range w.people {
		if i%directsFor == 0 {
			if err := w.direct(ctx, p, w.people[(i+1+rng.IntN(len(w.people)-1))%len(w.people)]); err != nil {
				return err
			}
		}
	}
	return nil
}

// each does something for all people, a few at a time.
func (w *world) each(ctx context.Context, f func(context.Context, *person) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, p := range w.people {
		g.Go(func() error {
			if err := f(gctx, p); err != nil {
				return fmt.Errorf("%s: %w", p, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (p *person) signUp(ctx context.Context) error {
	c, err := client.New(p.w.sys.URL(), client.Options{HTTP: p.w.http, UserAgent: "gori torture"})
	if err != nil {
		return err
	}
	err = c.SignUp(ctx, client.NewUser{LoginName: p.String(), Password: password(p), DisplayName: "Torture " + p.String()})
	p.c, p.id = c, c.Me().ID
	return err
}

func password(p *person) string { return "tortured " + p.String() }

func befriend(ctx context.Context, p, q *person) error {
	if p == q {
		return nil
	}
	if _, err := p.c.Befriend(ctx, q.id); err != nil {
		return err
	}
	if _, err := q.c.Befriend(ctx, p.id); err != nil {
		return err
	}
	p.friends, q.friends = append(p.friends, q), append(q.friends, p)
	return nil
}

// group makes a group: some who stay, and up to two who come and go.
func (w *world) group(ctx context.Context, rng *rand.Rand, n int) error {
	order := rng.Perm(len(w.people))
	size := 3 + rng.IntN(len(w.people)-3)
	if n == 0 {
		size = len(w.people) // one of all
	}
	ch := &channel{w: w, name: fmt.Sprintf("g%d", n), group: true}
	var ids []client.UserID
	churners := map[*person]bool{}
	for at, i := range order[:size] {
		p := w.people[i]
		if churners[p] = at > 1 && at >= size-2; !churners[p] {
			ch.members = append(ch.members, p)
		}
		if at > 0 {
			ids = append(ids, p.id)
		}
	}
	made, err := ch.members[0].c.CreateGroup(ctx, client.NewGroup{Name: ch.name, Members: ids, Limit: max(100, size)})
	if err != nil {
		return err
	}
	w.add(ch, made.ID)
	for _, i := range order[:size] {
		ch.seats[w.people[i]] = &seat{in: true, churns: churners[w.people[i]]}
	}
	return nil
}

func (w *world) direct(ctx context.Context, p, q *person) error {
	made, err := p.c.Direct(ctx, q.id)
	if err != nil {
		return err
	}
	if w.byID[made.ID] != nil {
		return nil // there already
	}
	ch := &channel{w: w, name: fmt.Sprintf("d%d-%d", p.i, q.i), members: []*person{p, q}}
	w.add(ch, made.ID)
	ch.seats[p], ch.seats[q] = &seat{in: true}, &seat{in: true}
	return nil
}

func (w *world) add(ch *channel, id client.ChannelID) {
	ch.id = id
	ch.seats, ch.byMsg = map[*person]*seat{}, map[client.ClientMsgID]*send{}
	w.channels = append(w.channels, ch)
	w.byID[id] = ch
}

// of lists the channels a person has a seat in.
func (w *world) of(p *person) []*channel {
	var list []*channel
	for _, ch := range w.channels {
		if ch.seats[p] != nil {
			list = append(list, ch)
		}
	}
	return list
}

func (s *seat) isIn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.in
}

// watchLag measures how late this process's own timers are.
func (w *world) watchLag(ctx context.Context) {
	const every = 20 * time.Millisecond
	t := time.NewTicker(every)
	defer t.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := time.Now()
		w.mu.Lock()
		w.lag = max(w.lag, now.Sub(last)-every)
		w.mu.Unlock()
		last = now
	}
}

// pause waits, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

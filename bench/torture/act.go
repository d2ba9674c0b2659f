package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"gori/client"
)

const (
	callPatience = 8 * time.Second
	cleanCall    = time.Second // an alteration answered within it was not repeated
	maxUnsettled = 400         // of one person; beyond, they wait
)

// act lets all people live until talking ends; the returned function waits.
func (w *world) act(ctx context.Context) (wait func()) {
	var wg sync.WaitGroup
	for _, p := range w.people {
		wg.Go(func() { p.talk(ctx) })
		wg.Go(func() { p.fiddle(ctx) })
		for n, d := range p.devices {
			if !d.steady {
				wg.Go(func() { d.wander(ctx, uint64(n)) })
			}
		}
		if p.i%3 == 1 {
			wg.Go(func() { p.relog(ctx) })
		}
	}
	for n, ch := range w.channels {
		if ch.group {
			wg.Go(func() { ch.steward(ctx, uint64(n)) })
		}
	}
	return wg.Wait
}

func (p *person) rng(what uint64) *rand.Rand {
	return rand.New(rand.NewPCG(p.w.o.Seed, what<<32|uint64(p.i)))
}

// rest waits about d, and tells whether people still act; their end ends it.
func (w *world) rest(ctx context.Context, rng *rand.Rand, d time.Duration) bool {
	t := time.NewTimer(min(time.Duration(rng.ExpFloat64()*float64(d)), 5*d))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-w.silence:
	case <-t.C:
	}
	return ctx.Err() == nil && w.talking.Load()
}

// talk sends messages at the person's share of the rate.
func (p *person) talk(ctx context.Context) {
	w, rng := p.w, p.rng(1)
	mean := time.Duration(float64(time.Second) * float64(len(w.people)) / w.o.Rate)
	mine := w.of(p)
	for k := 0; w.rest(ctx, rng, mean); k++ {
		ch, d := mine[rng.IntN(len(mine))], p.devices[rng.IntN(len(p.devices))]
		if !d.steady && rng.IntN(2) == 0 {
			d = p.devices[0]
		}
		s := p.compose(rng, ch, k)
		if !ch.seats[p].isIn() || w.sends.Load() >= maxSends || p.open.Load() > maxUnsettled {
			continue
		}
		w.sends.Add(1)
		p.open.Add(1)
		s.from, s.call = d, w.now()
		ch.mu.Lock()
		ch.sends = append(ch.sends, s)
		ch.byMsg[s.id] = s
		ch.mu.Unlock()
		d.enqueue(s)
	}
}

// compose draws a message.
func (p *person) compose(rng *rand.Rand, ch *channel, k int) *send {
	s := &send{ch: ch, id: client.NewClientMsgID(), clean: true}
	what, who, root := rng.IntN(100), rng.IntN(1<<20), rng.IntN(1<<20)
	s.body = fmt.Sprintf("%s in %s, message %d: 가나다", p, ch.name, k)
	switch {
	case what < 10:
		s.mentions = []client.UserID{ch.members[who%len(ch.members)].id}
	case what < 13:
		s.all = ch.group
	case what < 20:
		ch.mu.Lock()
		if n := len(ch.acked); n > 0 {
			if a := ch.acked[root%n]; !a.deleted {
				s.thread = a.seq
			}
		}
		ch.mu.Unlock()
	case what < 22:
		s.body += strings.Repeat(" 아주 긴 글", 200+who%2_000)
	}
	s.bodies = []string{s.body}
	return s
}

// fiddle edits, deletes, reacts, reads and looks at history.
func (p *person) fiddle(ctx context.Context) {
	w, rng := p.w, p.rng(2)
	mine := w.of(p)
	mean := time.Duration(2.5 * float64(time.Second) * float64(len(w.people)) / w.o.Rate)
	for n := 0; w.rest(ctx, rng, mean); n++ {
		ch, what, which, emoji := mine[rng.IntN(len(mine))], rng.IntN(100), rng.IntN(1<<20), rng.IntN(3)
		if !ch.seats[p].isIn() {
			continue
		}
		one, cancel := context.WithTimeout(ctx, callPatience)
		switch {
		case what < 25:
			p.edit(one, ch, which, fmt.Sprintf("edit %d by %s", n, p))
		case what < 35:
			p.remove(one, ch, which)
		case what < 60:
			p.react(one, ch, which, emoji, what%3 > 0)
		case what < 85:
			p.read(one, ch, which)
		default:
			p.look(one, ch)
		}
		cancel()
	}
}

// pick is one of the acknowledged messages of a channel, the person's own if
// asked; the newer the likelier.
func (ch *channel) pick(p *person, which int, own bool) *send {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	for try := range min(8, len(ch.acked)) {
		back := (which + try*7) % min(len(ch.acked), 40)
		s := ch.acked[len(ch.acked)-1-back]
		if !s.deleted && (!own || s.from.p == p) {
			return s
		}
	}
	return nil
}

// alter makes a call that alters a message and notes whether it is sure what
// came of it.
func (s *send) alter(begin func(), call func() error) {
	s.ch.mu.Lock()
	begin()
	s.ch.mu.Unlock()
	at := time.Now()
	err := call()
	s.ch.mu.Lock()
	defer s.ch.mu.Unlock()
	if err != nil {
		s.ch.w.opErrors.Add(1)
	}
	if err != nil || time.Since(at) > cleanCall {
		s.clean = false
	} else if s.deleted {
		s.undone = true
	}
}

func (p *person) edit(ctx context.Context, ch *channel, which int, body string) {
	if s := ch.pick(p, which, true); s != nil {
		s.alter(func() { s.bodies = append(s.bodies, body) }, func() error {
			_, err := p.c.Edit(ctx, ch.id, s.seq, body)
			return err
		})
	}
}

func (p *person) remove(ctx context.Context, ch *channel, which int) {
	if s := ch.pick(p, which, true); s != nil {
		s.alter(func() { s.deleted = true }, func() error {
			_, err := p.c.Delete(ctx, ch.id, s.seq)
			return err
		})
	}
}

func (p *person) react(ctx context.Context, ch *channel, which, emoji int, on bool) {
	s := ch.pick(p, which, false)
	if s == nil {
		return
	}
	f := p.c.Unreact
	if on {
		f = p.c.React
	}
	if _, err := f(ctx, ch.id, s.seq, [...]string{"👍", "❤️", "😂"}[emoji]); err != nil {
		p.w.opErrors.Add(1) // it may have been deleted meanwhile, or a fault is on
	}
}

// read moves the read mark to a message; a mark that may have been taken is
// moved there again at the end.
func (p *person) read(ctx context.Context, ch *channel, which int) {
	s := ch.pick(p, which, false)
	if s == nil {
		return
	}
	ch.seats[p].mark(ctx, p, ch, s.seq)
}

func (s *seat) mark(ctx context.Context, p *person, ch *channel, seq client.Seq) bool {
	s.ops.Lock()
	defer s.ops.Unlock()
	if !s.isIn() {
		return true
	}
	_, err := p.c.MarkRead(ctx, ch.id, seq, 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.unsure = max(s.unsure, seq)
		p.w.opErrors.Add(1)
		return false
	}
	s.read = max(s.read, seq)
	return true
}

// look reads where the channel ends: it must not be before what was
// acknowledged before.
func (p *person) look(ctx context.Context, ch *channel) {
	l := lookup{call: p.w.now()}
	page, err := p.c.History(ctx, ch.id, client.HistoryQuery{Limit: 1})
	if err != nil {
		return
	}
	l.ret, l.last = p.w.now(), page.LastSeq
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if len(ch.reads) < 2_000 {
		ch.reads = append(ch.reads, l)
	}
}

// wander lets a device leave and come back.
func (d *device) wander(ctx context.Context, n uint64) {
	w, rng := d.p.w, d.p.rng(10+n)
	for w.rest(ctx, rng, 3*time.Second) {
		d.leave(rng.IntN(3) == 0)
		if !w.rest(ctx, rng, 2*time.Second) {
			return
		}
		d.come(ctx)
	}
}

// relog has logins of the person revoked.
func (p *person) relog(ctx context.Context) {
	rng := p.rng(3)
	for p.w.rest(ctx, rng, 5*time.Second) {
		p.revoke(ctx, time.Duration(rng.IntN(2_000))*time.Millisecond)
	}
}

// steward has the group's churners removed, or leave, and added again.
func (ch *channel) steward(ctx context.Context, n uint64) {
	rng := rand.New(rand.NewPCG(ch.w.o.Seed, 0x57e<<32|n))
	var churners []*person
	for _, p := range ch.w.people {
		if s := ch.seats[p]; s != nil && s.churns {
			churners = append(churners, p)
		}
	}
	if len(churners) == 0 {
		return
	}
	for ch.w.rest(ctx, rng, 2*time.Second) {
		p, self := churners[rng.IntN(len(churners))], rng.IntN(3) == 0
		if !ch.shutOut(ctx, p, self) {
			return
		}
		_ = pause(ctx, 1500*time.Millisecond+time.Duration(rng.IntN(2_500))*time.Millisecond)
		if rng.IntN(4) == 0 && !ch.w.talking.Load() {
			return // stays out at the end
		}
		if !ch.letIn(ctx, p) {
			return
		}
	}
}

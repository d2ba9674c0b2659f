package command

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"gori/client"
)

// crowd is people in pairs, each with several devices, who write to each other
// through package client while things happen to the system.
type crowd struct {
	t     *testing.T
	pairs []*pair
	stop  context.CancelFunc
	wg    sync.WaitGroup

	mu     sync.Mutex
	failed []error // sends that were refused or gave up
}

type pair struct {
	channel client.ChannelID
	people  [2]*client.Client
	devices []*listener

	mu    sync.Mutex
	acked map[client.ClientMsgID]client.Seq
}

// listener is one device and what it was told.
type listener struct {
	live *client.Live

	mu      sync.Mutex
	seqs    []client.Seq
	last    time.Time
	longest time.Duration // between two messages
}

func (l *listener) heard(m client.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !l.last.IsZero() {
		l.longest = max(l.longest, now.Sub(l.last))
	}
	l.last = now
	l.seqs = append(l.seqs, m.Seq)
}

// gather signs people up and connects their devices: two times pairs times
// devices sockets.
func gather(t *testing.T, url string, pairs, devices int) *crowd {
	t.Helper()
	k := &crowd{t: t}
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(8)
	for i := range pairs {
		p := &pair{acked: map[client.ClientMsgID]client.Seq{}}
		k.pairs = append(k.pairs, p)
		g.Go(func() error { return p.meet(ctx, t.Context(), url, i, devices) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.end)
	return k
}

func (p *pair) meet(ctx, life context.Context, url string, i, devices int) error {
	for j := range p.people {
		c, err := client.New(url, client.Options{})
		if err != nil {
			return err
		}
		name := fmt.Sprintf("p%dx%d", i, j)
		if err := c.SignUp(ctx, client.NewUser{LoginName: name, DisplayName: name, Password: "correct horse battery"}); err != nil {
			return err
		}
		p.people[j] = c
	}
	ch, err := p.people[0].Direct(ctx, p.people[1].Me().ID)
	if err != nil {
		return err
	}
	p.channel = ch.ID
	for j := range 2 * devices {
		l := &listener{}
		p.devices = append(p.devices, l)
		opt := client.LiveOptions{Cursors: map[client.ChannelID]client.Cursor{ch.ID: {}}}
		opt.Message = func(m client.Message) {
			if m.Kind == 0 && m.Channel == ch.ID {
				l.heard(m)
			}
		}
		if l.live, err = p.people[j%2].Connect(life, opt); err != nil {
			return err
		}
	}
	return nil
}

// talk makes the first device of each pair write, one message after the other,
// with a pause between.
func (k *crowd) talk(pause time.Duration) {
	ctx, stop := context.WithCancel(k.t.Context())
	k.stop = stop
	for i, p := range k.pairs {
		k.wg.Go(func() {
			tick := time.NewTicker(pause)
			defer tick.Stop()
			for n := 0; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				// The send outlives the end of the talk: it is answered.
				m := client.Outgoing{Channel: p.channel, ClientMsgID: client.NewClientMsgID(), Body: fmt.Sprintf("%d of %d", n, i)}
				patient, cancel := context.WithTimeout(k.t.Context(), patience)
				r, err := p.devices[0].live.Send(patient, m)
				cancel()
				if err != nil {
					k.mu.Lock()
					k.failed = append(k.failed, err)
					k.mu.Unlock()
					continue
				}
				p.mu.Lock()
				p.acked[m.ClientMsgID] = r.Seq
				p.mu.Unlock()
			}
		})
	}
}

// hush ends the talk and waits for the last answers.
func (k *crowd) hush() {
	k.stop()
	k.wg.Wait()
}

func (k *crowd) end() {
	if k.stop != nil {
		k.hush()
	}
	var wg sync.WaitGroup
	for _, p := range k.pairs {
		for _, d := range p.devices {
			if d.live != nil {
				wg.Go(d.live.Close)
			}
		}
	}
	wg.Wait()
}

// check compares what was acknowledged, what is stored and what every device
// was told: nothing failed, is lost, doubled or out of order.
func (k *crowd) check() (sent int, longest time.Duration) {
	k.t.Helper()
	if len(k.failed) > 0 {
		k.t.Errorf("%d sends failed, the first: %v", len(k.failed), k.failed[0])
	}
	for i, p := range k.pairs {
		stored := p.stored(k.t)
		sent += len(p.acked)
		for id, seq := range p.acked {
			if stored[seq] != id {
				k.t.Errorf("pair %d: acknowledged as %d is %s, stored %s", i, seq, id, stored[seq])
			}
		}
		if len(stored) != len(p.acked) {
			k.t.Errorf("pair %d: %d messages are stored, %d were acknowledged", i, len(stored), len(p.acked))
		}
		var want []client.Seq
		for seq := range stored {
			want = append(want, seq)
		}
		slices.Sort(want)
		for _, d := range p.devices {
			longest = max(longest, d.converges(k.t, i, want))
		}
	}
	return sent, longest
}

// stored reads the whole channel.
func (p *pair) stored(t *testing.T) map[client.Seq]client.ClientMsgID {
	t.Helper()
	all := map[client.Seq]client.ClientMsgID{}
	after := client.Seq(0)
	for {
		page, err := p.people[0].History(t.Context(), p.channel, client.HistoryQuery{After: after, HasAfter: true, Limit: 200})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Messages {
			if m.Seq != after+1 {
				t.Errorf("seq %d follows %d", m.Seq, after)
			}
			after = m.Seq
			if m.Kind == 0 {
				all[m.Seq] = m.ClientMsgID
			}
		}
		if len(page.Messages) == 0 {
			return all
		}
	}
}

// converges waits until the device has what is stored, and wants it in order
// and once.
func (l *listener) converges(t *testing.T, pair int, want []client.Seq) time.Duration {
	t.Helper()
	last := want[len(want)-1]
	eventually(t, fmt.Sprintf("a device of pair %d has message %d", pair, last), func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.seqs) > 0 && l.seqs[len(l.seqs)-1] == last
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.seqs, want) {
		t.Errorf("pair %d: a device was told %v, stored is %v", pair, l.seqs, want)
	}
	return l.longest
}

package torture

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"time"

	"gori/client"
)

// device is one device of a person. What it has is kept while it is away, as a
// real one would.
type device struct {
	p      *person
	name   string
	steady bool // stays connected, other than by faults

	mu      sync.Mutex // guards all below; events come under the Live's own lock besides
	live    *client.Live
	node    string
	pos     client.Pos
	cursors map[client.ChannelID]client.Cursor
	view    map[client.ChannelID]*view
	entries map[client.ChannelID]client.InboxEntry
	pending []*send // handed to an outbox that has ended, or waiting for one
	counts  map[client.ChannelID]int
	spans   []span // sessions
	stats   client.Stats

	notes   []note
	skipped []skipped // at most maxSkipped

	delivered, doubled, gaps int64
}

// view is what a device has of a channel: the state of messages 1, 2, 3 …
type view struct {
	states []state
}

type state struct {
	digest uint64
	change client.Change
}

// span is one session of a device; to is 0 while it lasts.
type span struct {
	node     string
	from, to time.Duration
	// over: what follows is no short drop. It ended with a goodbye, or went on
	// where nobody could tell of it.
	over bool
}

func newDevice(p *person, n int, steady bool) *device {
	d := &device{p: p, name: fmt.Sprintf("%s/%d", p, n), steady: steady,
		cursors: map[client.ChannelID]client.Cursor{}, view: map[client.ChannelID]*view{},
		entries: map[client.ChannelID]client.InboxEntry{}, counts: map[client.ChannelID]int{}}
	for _, ch := range p.w.of(p) {
		d.cursors[ch.id] = client.Cursor{} // everything from the first message on
	}
	p.devices = append(p.devices, d)
	return d
}

// come connects with what the device has, unless it is connected, and sends
// again what was not answered.
func (d *device) come(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.live != nil {
		return
	}
	d.live = d.p.c.Start(ctx, client.LiveOptions{
		Events: client.Events{Message: d.message, Change: d.change, Left: d.left, Inbox: d.inbox, Connected: d.connected,
			Disconnected: d.lost, Presence: d.presence, Refused: d.refused, Frame: d.frame},
		Pos: d.pos, Cursors: d.cursors, CatchUp: 10_000_000, Queue: 100_000, Heartbeat: 6 * time.Second,
		Backoff: client.Backoff{Cap: 3 * time.Second},
	})
	d.noteLocked("comes, %d sends waiting", len(d.pending))
	again := d.pending
	d.pending = nil
	// Those of the outbox that ended may have been put back behind newer ones.
	slices.SortStableFunc(again, func(a, b *send) int { return int(a.call - b.call) })
	for _, s := range again {
		d.enqueueLocked(s)
	}
}

// leave closes the device and keeps what it has; cut: without a goodbye.
func (d *device) leave(cut bool) {
	d.mu.Lock()
	l := d.live
	d.live = nil
	d.mu.Unlock()
	if l == nil {
		return
	}
	d.note("goes (cut: %t)", cut)
	if cut {
		l.Drop()
	}
	l.Close()
	pos, cursors := l.Cursors()
	st := l.Stats()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pos, d.cursors = pos, cursors
	d.stats = worse(d.stats, st)
	d.endSpanLocked()
	if n := len(d.spans); n > 0 && !cut {
		d.spans[n-1].over = true
	}
}

func worse(a, b client.Stats) client.Stats {
	return client.Stats{Connects: a.Connects + b.Connects, Fetched: a.Fetched + b.Fetched,
		LongestGap: max(a.LongestGap, b.LongestGap), LongestSend: max(a.LongestSend, b.LongestSend)}
}

// total is the device's counts over all its sessions.
func (d *device) total() client.Stats {
	d.mu.Lock()
	l, st := d.live, d.stats
	d.mu.Unlock()
	if l != nil {
		st = worse(st, l.Stats())
	}
	return st
}

// enqueue sends, or keeps for the next session. The caller has put s in the
// channel's list.
func (d *device) enqueue(s *send) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s.k = d.counts[s.ch.id]
	d.counts[s.ch.id]++
	d.enqueueLocked(s)
}

func (d *device) enqueueLocked(s *send) {
	if d.live == nil {
		d.pending = append(d.pending, s)
		return
	}
	m := client.Outgoing{Channel: s.ch.id, ClientMsgID: s.id, Body: s.body, Thread: s.thread, Mentions: s.mentions, MentionAll: s.all}
	err := d.live.Enqueue(m, func(r client.Receipt, err error) { d.settled(s, r, err) })
	if err != nil {
		d.pending = append(d.pending, s)
	}
}

// settled hears of a receipt, a refusal, or the end of the outbox.
func (d *device) settled(s *send, r client.Receipt, err error) {
	ch := s.ch
	if errors.Is(err, client.ErrClosed) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.pending = append(d.pending, s)
		return
	}
	d.p.open.Add(-1)
	ch.mu.Lock()
	defer ch.mu.Unlock()
	s.ret = max(1, d.p.w.now())
	if err != nil {
		s.refused = client.CodeOf(err)
		if s.refused == "" {
			s.refused = err.Error()
		}
		return
	}
	s.seq = r.Seq
	if s.thread == 0 {
		ch.acked = append(ch.acked, s)
	}
}

func (d *device) message(m client.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.view[m.Channel]
	if v == nil {
		v = &view{}
		d.view[m.Channel] = v
	}
	d.delivered++
	next := client.Seq(len(v.states) + 1)
	switch {
	case m.Seq < next:
		d.doubled++
		return
	case m.Seq > next:
		d.gaps++
		if len(d.skipped) < maxSkipped {
			d.skipped = append(d.skipped, skipped{m.Channel, next, m.Seq, d.p.w.now()})
		}
		v.states = append(v.states, make([]state, m.Seq-next)...)
	}
	v.states = append(v.states, stateOf(m))
}

func (d *device) change(m client.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.view[m.Channel]
	if v == nil || m.Seq > client.Seq(len(v.states)) {
		return
	}
	if s := &v.states[m.Seq-1]; m.Change > s.change {
		*s = stateOf(m)
	}
}

// left drops a channel: should the person come back, it begins anew.
func (d *device) left(id client.ChannelID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.noteLocked("is no member of %s any more", d.p.w.nameOf(id))
	delete(d.view, id)
}

func (d *device) inbox(list []client.InboxEntry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range list {
		if old, ok := d.entries[e.Channel]; !ok || e.Pos > old.Pos {
			d.entries[e.Channel] = e
		}
	}
}

func (d *device) connected(r client.Resumed) {
	d.inbox(r.Entries)
	d.mu.Lock()
	d.endSpanLocked()
	d.node = r.Node
	d.spans = append(d.spans, span{node: r.Node, from: d.p.w.now()})
	d.noteLocked("has a session on node %s", r.Node)
	d.mu.Unlock()
	d.sight(r.Presence, true)
}

func (d *device) lost(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.noteLocked("has lost its connection: %v", err)
	d.endSpanLocked()
}

func (d *device) endSpanLocked() {
	if n := len(d.spans); n > 0 && d.spans[n-1].to == 0 {
		d.spans[n-1].to = d.p.w.now()
	}
}

// stateOf sums a message up: all that a person sees of it, but for the replies
// under it, which follow from the others.
func stateOf(m client.Message) state {
	h := fnv.New64a()
	fmt.Fprint(h, m.Seq, m.Sender, m.ClientMsgID, m.Kind, m.Deleted, m.ReplyTo, m.Thread, m.MentionAll, m.Mentions, m.EditedAt, "\x00", m.Body)
	reactions := slices.Clone(m.Reactions)
	slices.SortFunc(reactions, func(a, b client.Reaction) int { return strings.Compare(a.Emoji, b.Emoji) })
	for _, r := range reactions {
		users := slices.Sorted(slices.Values(r.Users))
		fmt.Fprint(h, r.Emoji, users)
	}
	return state{h.Sum64(), m.Change}
}

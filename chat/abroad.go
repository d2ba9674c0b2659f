package chat

import (
	"context"
	"sync"
	"time"
)

// What this node tells the others. Everything here may be lost on the way.

// Bounds of what is gathered for other nodes.
const (
	lightsEvery    = 100 * time.Millisecond
	maxLights      = 1000 // light frames gathered in one round; more are dropped
	maxLightsBytes = 128 << 10
	maxAbroad      = 4000 // inbox notices gathered; then they go at once
)

// SetRelay connects the other nodes. Call it before Run; without it the node is
// alone.
func (svc *Service) SetRelay(r Relay) { svc.hub.relay.Store(&r) }

func (h *Hub) alone() bool { return h.relay.Load() == nil }

func (svc *Service) alone() bool { return svc.hub.alone() }

func (svc *Service) toAll(t Tiding) {
	if r := svc.hub.relay.Load(); r != nil {
		(*r).ToAll(t)
	}
}

func (svc *Service) toUsers(users []UserID, t Tiding) {
	if r := svc.hub.relay.Load(); r != nil && len(users) > 0 {
		(*r).ToUsers(users, t)
	}
}

// relayFrames passes frames of a channel on to the sessions that the users have
// on other nodes. version is that of the member list the users are from.
func (svc *Service) relayFrames(id ChannelID, version int64, users []UserID, frames ...Frame) {
	if svc.alone() || len(users) == 0 {
		return
	}
	for _, t := range frameTidings(id, version, frames) {
		svc.toUsers(users, t)
	}
}

// deliver puts a frame of no channel on the queues of all sessions of the users,
// on whichever node.
func (svc *Service) deliver(users []UserID, f Frame) {
	svc.hub.Deliver(users, f)
	svc.relayFrames(0, 0, users, f)
}

// abroadBoard gathers inbox notices for the other nodes: one message a node for
// all that a moment brings, and of each entry only its newest state.
type abroadBoard struct {
	wake chan struct{} // capacity 1: something is on an empty board

	mu      sync.Mutex
	notices []InboxNotice
	at      map[noticeKey]int // index in notices
}

type noticeKey struct {
	user    UserID
	channel ChannelID
}

func (b *abroadBoard) init() {
	b.wake = make(chan struct{}, 1)
	b.at = make(map[noticeKey]int)
}

// sendAbroad puts notices on their way to the other nodes.
func (h *Hub) sendAbroad(notices []InboxNotice) {
	if h.alone() || len(notices) == 0 {
		return
	}
	b := &h.abroad
	b.mu.Lock()
	first := len(b.notices) == 0
	for _, n := range notices {
		k := noticeKey{n.User, n.Entry.Channel}
		i, ok := b.at[k]
		switch {
		case !ok:
			b.at[k] = len(b.notices)
			b.notices = append(b.notices, n)
		default:
			b.notices[i] = b.notices[i].merge(n)
		}
	}
	full := len(b.notices) >= maxAbroad
	b.mu.Unlock()
	switch {
	case full:
		h.flushAbroad()
	case first:
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
}

// merge makes one notice of two about the same entry.
func (n InboxNotice) merge(o InboxNotice) InboxNotice {
	if o.Entry.Pos < n.Entry.Pos {
		n, o = o, n
	}
	passed := append(append(n.Passed, n.Entry.Pos), o.Passed...)
	o.Passed = passed[:min(len(passed), maxNoticesPerUser)] // one that is not noted is found missing
	return o
}

func (h *Hub) flushAbroad() {
	b := &h.abroad
	b.mu.Lock()
	notices := b.notices
	b.notices = nil
	clear(b.at)
	b.mu.Unlock()
	r := h.relay.Load()
	if r == nil || len(notices) == 0 {
		return
	}
	inboxTidings(notices, func(users []UserID, t Tiding) { (*r).ToUsers(users, t) })
}

// lightBoard gathers light frames of big channels for the sessions that show
// them on other nodes. Nobody knows where those are, so all nodes are told, some
// times a second at most.
type lightBoard struct {
	wake chan struct{} // capacity 1: something is on an empty board

	mu     sync.Mutex
	frames []lightFrame
	bytes  int
}

func (b *lightBoard) init() { b.wake = make(chan struct{}, 1) }

func (b *lightBoard) put(f lightFrame, svc *Service) {
	if svc.alone() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.frames) >= maxLights || b.bytes >= maxLightsBytes {
		svc.hub.drops[dropLight].Add(1)
		return
	}
	b.frames = append(b.frames, f)
	b.bytes += len(f.frame)
	if len(b.frames) == 1 {
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
}

func (svc *Service) flushLights() {
	b := &svc.lights
	b.mu.Lock()
	frames := b.frames
	b.frames, b.bytes = nil, 0
	b.mu.Unlock()
	if len(frames) > 0 {
		svc.toAll(viewerTiding(frames))
	}
}

// errands are small tasks that what is heard from other nodes causes, and that
// need a shard: whoever hears must not wait for one. The zero value is ready.
type errands struct {
	mu      sync.Mutex
	waiting []func(context.Context)
	running int
}

// Bounds of errands.
const (
	maxErrands    = 1024
	errandsAtOnce = 4
)

// errand does f soon, in no order; false if there is too much to do already.
// f must know what to do when ctx ends early.
func (svc *Service) errand(f func(ctx context.Context)) bool {
	e := &svc.errands
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.waiting) >= maxErrands {
		return false
	}
	e.waiting = append(e.waiting, f)
	if e.running < errandsAtOnce {
		if !svc.work.begin() {
			return false
		}
		e.running++
		go svc.runErrands()
	}
	return true
}

// runErrands does errands until there are none.
func (svc *Service) runErrands() {
	defer svc.work.end()
	e := &svc.errands
	for {
		e.mu.Lock()
		if len(e.waiting) == 0 {
			e.waiting = nil
			e.running--
			e.mu.Unlock()
			return
		}
		f := e.waiting[0]
		e.waiting = e.waiting[1:]
		e.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), deliverWithin)
		f(ctx)
		cancel()
	}
}

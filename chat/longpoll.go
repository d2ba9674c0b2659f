package chat

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of long polls.
const (
	MaxInboxWait   = 55 * time.Second // one long poll; proxies must be more patient
	maxWaitsOfUser = 8
	maxWaits       = 10_000           // on one node
	waitRepair     = 10 * time.Second // what nobody told of is found after about this long
	waitRepairOnce = 2 * time.Second  // and at first sooner: other nodes learn a moment later that someone waits here
)

// waitTable knows the long polls of this node, so that whatever changes an
// inbox wakes those who wait for it. Waking is a doorbell: a woken poll reads.
type waitTable struct {
	total  atomic.Int64
	shards [hubShards]waitShard
}

type waitShard struct {
	mu    sync.Mutex
	users map[UserID][]*waiter
}

// waiter is one long poll.
type waiter struct {
	who  Identity
	wake chan struct{} // capacity 1: something may have changed
	end  atomic.Uint32 // a waitEnd
}

// waitEnd is why a long poll ends before its time.
type waitEnd uint32

const (
	waitGoesOn  waitEnd = iota
	waitDrained         // the node goes away: an empty answer now
	waitRevoked         // the login has ended: nothing is answered any more
)

func (t *waitTable) init() {
	for i := range t.shards {
		t.shards[i].users = make(map[UserID][]*waiter)
	}
}

// ring wakes the waiter; it never blocks.
func (w *waiter) ring() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// finish ends the wait. A revocation is never undone by a drain.
func (w *waiter) finish(why waitEnd) {
	for {
		old := w.end.Load()
		if old >= uint32(why) || w.end.CompareAndSwap(old, uint32(why)) {
			break
		}
	}
	w.ring()
}

func (w *waiter) ended() waitEnd { return waitEnd(w.end.Load()) }

// wait registers a long poll. It is registered before it reads, so that
// whatever changes after the read wakes it; and an ended login is looked for
// after it is registered, so that it is either found here or by endWaits.
func (h *Hub) wait(who Identity) (*waiter, error) {
	t, w := &h.waits, &waiter{who: who, wake: make(chan struct{}, 1)}
	sh := &t.shards[userShard(who.User)]
	sh.mu.Lock()
	if len(sh.users[who.User]) >= maxWaitsOfUser || t.total.Load() >= maxWaits {
		sh.mu.Unlock()
		return nil, Retryable(CodeOverloaded, 5*time.Second, nil, "too many long polls")
	}
	sh.users[who.User] = append(sh.users[who.User], w)
	t.total.Add(1)
	sh.mu.Unlock()
	if h.gone.has(who, h.cfg.Now()) {
		w.finish(waitRevoked)
	}
	if h.draining.Load() {
		w.finish(waitDrained)
	}
	return w, nil
}

// unwait forgets a long poll that wait has registered.
func (h *Hub) unwait(w *waiter) {
	sh := &h.waits.shards[userShard(w.who.User)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	rest := slices.DeleteFunc(sh.users[w.who.User], func(o *waiter) bool { return o == w })
	h.waits.total.Add(-1)
	if len(rest) == 0 {
		delete(sh.users, w.who.User)
		return
	}
	sh.users[w.who.User] = rest
}

// waiting tells whether the user has a long poll here.
func (h *Hub) waiting(user UserID) bool {
	if h.waits.total.Load() == 0 {
		return false
	}
	sh := &h.waits.shards[userShard(user)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return len(sh.users[user]) > 0
}

// wakeWaits wakes the long polls of a user whose inbox has changed.
func (h *Hub) wakeWaits(user UserID) {
	if h.waits.total.Load() == 0 {
		return
	}
	h.eachWait(user, (*waiter).ring)
}

// endWaits ends the long polls of ended logins; without logins, all of the
// user.
func (h *Hub) endWaits(user UserID, logins ...LoginID) {
	h.eachWait(user, func(w *waiter) {
		if len(logins) == 0 || slices.Contains(logins, w.who.Login) {
			w.finish(waitRevoked)
		}
	})
}

func (h *Hub) eachWait(user UserID, do func(*waiter)) {
	sh := &h.waits.shards[userShard(user)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, w := range sh.users[user] {
		do(w)
	}
}

// drainWaits answers all long polls at once. Call it when draining is set:
// those that come later see it themselves.
func (h *Hub) drainWaits() {
	for i := range h.waits.shards {
		sh := &h.waits.shards[i]
		sh.mu.Lock()
		for _, list := range sh.users {
			for _, w := range list {
				w.finish(waitDrained)
			}
		}
		sh.mu.Unlock()
	}
}

var errLoginEnded = Errorf(CodeUnauthenticated, "this login has ended")

// WaitInbox is Inbox, but where nothing is newer than after it answers as soon
// as something is, or else with an empty page after the given time. It ends
// early with an empty page when the node drains, and with CodeUnauthenticated
// when the login ends: nothing read is answered after that.
func (svc *Service) WaitInbox(ctx context.Context, who Identity, after Pos, limit int, most time.Duration) (InboxPage, []User, error) {
	if most <= 0 {
		return svc.Inbox(ctx, who, after, limit)
	}
	ctx, cancel := context.WithTimeout(ctx, min(most, MaxInboxWait))
	defer cancel()
	h := svc.hub
	leaving := h.draining.Load()
	w, err := h.wait(who)
	if err != nil {
		return InboxPage{}, nil, err
	}
	defer h.unwait(w)
	if svc.interest != nil {
		defer svc.interest.Listen(who.User)()
	}
	spread := time.Duration(userShard(who.User)) * waitRepairOnce / 512 // not all at once
	repair := time.NewTimer(waitRepairOnce + spread)
	defer repair.Stop()
	for {
		page, people, err := svc.readInbox(ctx, who, after, limit)
		switch {
		case w.ended() == waitRevoked:
			return InboxPage{}, nil, errLoginEnded
		case err != nil:
			return InboxPage{}, nil, err
		case len(page.Entries) > 0 || page.Pos < after: // the second: after is from somewhere else
			return page, people, nil
		case leaving:
			return InboxPage{}, nil, Retryable(CodeDraining, time.Second, nil, "this node is going away")
		case w.ended() == waitDrained:
			return page, people, nil
		}
		select {
		case <-ctx.Done(): // the time is over, or the client has gone
			if w.ended() == waitRevoked {
				err = errLoginEnded
			}
			return page, people, err
		case <-w.wake:
		case <-repair.C:
			repair.Reset(waitRepair + spread)
		}
	}
}

// readInbox reads whatever time is left of the poll: a read that has begun is
// finished.
func (svc *Service) readInbox(ctx context.Context, who Identity, after Pos, limit int) (InboxPage, []User, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deliverWithin)
	defer cancel()
	return svc.Inbox(ctx, who, after, limit)
}

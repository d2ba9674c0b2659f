package chat

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Whoever takes something away is answered when it is committed; from then on it
// has a second to come into force on every node (P7). A node hears of it by the
// mesh at once, or reads it here. What a node does not get to do in time, for it
// was frozen or its host too busy, it does before it writes anything more: see
// lease.

// Times of the look at revocations. Together they stay under a second.
const (
	revokedEvery  = 400 * time.Millisecond
	revokedWithin = 300 * time.Millisecond
	leaseFor      = 900 * time.Millisecond
)

// maxSeen bounds the revocations remembered as done, per generation.
const maxSeen = 50_000

// revokedWatch is what runRevocations owns.
type revokedWatch struct {
	since RevokedSince
	seen  [2]map[int64]struct{} // done; the second is older
	aged  time.Time             // when the generations were last shifted
}

// runRevocations reads what was taken away and brings it into force, until ctx
// ends.
func (svc *Service) runRevocations(ctx context.Context) {
	if svc.revocations == nil {
		return
	}
	w := revokedWatch{seen: [2]map[int64]struct{}{{}, {}}, aged: svc.now()}
	svc.hub.lease.begin(svc.now())
	defer svc.hub.lease.end()
	tick := time.NewTicker(revokedEvery)
	defer tick.Stop()
	for {
		svc.lookForRevocations(ctx, &w)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (svc *Service) lookForRevocations(ctx context.Context, w *revokedWatch) {
	began := svc.now()
	within, cancel := context.WithTimeout(ctx, revokedWithin)
	page, err := svc.revocations.Revoked(within, w.since)
	cancel()
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		// A shard that is down takes nothing away either. What one that only
		// this node cannot reach takes away comes by the mesh.
		svc.logger.Debug("revocations", "err", err)
	}
	if page.Since != nil {
		w.since = page.Since
	}
	svc.applyRevocations(w.news(page.List, began))
	if page.Lost {
		svc.logger.Warn("revocations were not read for too long: all sessions resume")
		svc.suspectAll()
	}
	svc.hub.lease.renew(began)
}

// news leaves out what has been done already.
func (w *revokedWatch) news(list []Revocation, now time.Time) []Revocation {
	if now.Sub(w.aged) > 30*time.Second || len(w.seen[0]) > maxSeen {
		w.seen[0], w.seen[1], w.aged = make(map[int64]struct{}), w.seen[0], now
	}
	var news []Revocation
	for _, r := range list {
		_, here := w.seen[0][r.ID]
		_, before := w.seen[1][r.ID]
		if !here && !before {
			w.seen[0][r.ID] = struct{}{}
			news = append(news, r)
		}
	}
	return news
}

// suspectAll trusts nothing that this node remembers: every session has to show
// its login again.
func (svc *Service) suspectAll() {
	if svc.forgetAll != nil {
		svc.forgetAll()
	}
	svc.profiles.forgetAll()
	svc.hub.drainWaits()
	for i := range hubShards {
		for _, user := range svc.hub.usersIn(i) {
			svc.hub.CloseUser(user, CloseSlow, "resume")
		}
	}
}

// lease is the right to write to sessions: it lasts until shortly after the last
// look at the revocations that has ended began. A node that was frozen, thaws
// with frames in its queues; they wait here until it knows for whom they still
// are. Where nothing looks, it lasts for ever.
type lease struct {
	on    atomic.Bool
	began time.Time    // set before on is
	until atomic.Int64 // milliseconds after began

	mu     sync.Mutex
	waiter chan struct{} // closed by the next renewal; nil: nobody waits
}

func (l *lease) begin(now time.Time) {
	l.began = now
	l.until.Store(leaseFor.Milliseconds())
	l.on.Store(true)
}

// renew lets whoever waits go on.
func (l *lease) renew(looked time.Time) {
	l.until.Store((looked.Sub(l.began) + leaseFor).Milliseconds())
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiter != nil {
		close(l.waiter)
		l.waiter = nil
	}
}

func (l *lease) end() {
	l.on.Store(false)
	l.renew(l.began)
}

func (l *lease) holds(now time.Time) bool {
	return !l.on.Load() || now.Sub(l.began).Milliseconds() <= l.until.Load()
}

// await returns when the lease holds, or ctx ends. A look that fails renews it
// too: to be silent for longer helps nobody.
func (l *lease) await(ctx context.Context, now func() time.Time) {
	for !l.holds(now()) {
		l.mu.Lock()
		if l.waiter == nil {
			l.waiter = make(chan struct{})
		}
		next := l.waiter
		l.mu.Unlock()
		if l.holds(now()) {
			return
		}
		select {
		case <-next:
		case <-ctx.Done():
			return
		}
	}
}

package chat

import (
	"context"
	"slices"
	"time"
)

// Whoever takes something away is answered when it is committed; from then on it
// has a second to come into force on every node (P7). A node hears of it by the
// mesh at once, or reads it here. What a node does not get to do in time, for it
// was frozen or its host too busy, it does before it writes anything more: see
// lease.

// Times of the look at revocations. The first two together stay under a second.
const (
	revokedEvery  = 400 * time.Millisecond
	revokedWithin = 300 * time.Millisecond
	wokenEvery    = 100 * time.Millisecond // without a lease, nobody is written to meanwhile
	wokenWithin   = 800 * time.Millisecond // likewise
)

// A node that was away must look at everything before it writes. What does not
// answer it waits for so long, then all its sessions have to begin anew.
const wokenPatience = 3 * time.Second

// brieflyAway is for how long a node may be away and still take it that what did
// not answer before and does not now has been down all the time.
const brieflyAway = 2 * time.Second

// maxSeen bounds the revocations remembered as done, per generation.
const maxSeen = 50_000

// revokedWatch is what runRevocations owns.
type revokedWatch struct {
	since  RevokedSince
	seen   [2]map[int64]struct{} // done; the second is older
	aged   time.Time             // when the generations were last shifted
	last   time.Time             // the beginning of the look that last renewed the lease
	missed []string              // what that one did not read
	woke   time.Time             // the beginning of the first look since the lease has lapsed; zero: it has not
}

// runRevocations reads what was taken away and brings it into force, until ctx
// ends.
func (svc *Service) runRevocations(ctx context.Context) {
	if svc.revocations == nil {
		return
	}
	now := svc.now()
	w := revokedWatch{seen: [2]map[int64]struct{}{{}, {}}, aged: now, last: now}
	l := &svc.hub.lease
	l.begin(now)
	defer l.end()
	tick := time.NewTicker(revokedEvery)
	defer tick.Stop()
	again := time.NewTimer(time.Hour)
	defer again.Stop()
	for {
		svc.lookForRevocations(ctx, &w)
		if !w.woke.IsZero() {
			again.Reset(wokenEvery)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-again.C:
		case <-l.wanted:
		}
	}
}

func (svc *Service) lookForRevocations(ctx context.Context, w *revokedWatch) {
	began, most := svc.now(), revokedWithin
	away := svc.hub.lease.away(began, w.last)
	if away > 0 {
		most = wokenWithin
		if w.woke.IsZero() {
			w.woke = began
		}
	}
	within, cancel := context.WithTimeout(ctx, most)
	page, err := svc.revocations.Revoked(within, w.since, away)
	cancel()
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		svc.logger.Debug("revocations", "away", away, "missed", page.Missed, "err", err)
	}
	if page.Since != nil {
		w.since = page.Since
	}
	news := w.news(page.List, began)
	svc.applyRevocations(news)
	if away > 0 {
		svc.afresh(news)
	}
	switch {
	case page.Lost:
		svc.logger.Warn("revocations were not read for too long: all sessions resume")
		svc.suspectAll()
	case err == nil || w.bears(page.Missed, away):
	case began.Sub(w.woke) < wokenPatience:
		return
	default:
		svc.logger.Warn("not everything can be read since this node stood still: all sessions resume", "away", away, "missed", page.Missed)
		svc.suspectAll()
	}
	w.last, w.missed, w.woke = began, page.Missed, time.Time{}
	svc.watched.Store(err == nil)
	svc.hub.lease.stood(away, svc.now())
	svc.hub.lease.renew(began)
	if !svc.hub.lease.holds(svc.now()) {
		w.missed = nil // they may not have answered because this node stood still
	}
}

// bears tells whether sessions may be written to though not everything was read.
// While a node is not away that does no harm: a shard that is down takes nothing
// away either, and what one that only this node cannot reach takes away comes by
// the mesh. But what a shard took away while the node was away it may have missed
// there, too.
func (w *revokedWatch) bears(missed []string, away time.Duration) bool {
	if away == 0 {
		return true
	}
	return away < brieflyAway && len(missed) > 0 && !slices.ContainsFunc(missed, func(part string) bool { return !slices.Contains(w.missed, part) })
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

// afresh has those who lost a membership while this node was away resume: what is
// gathered and queued of their inboxes may tell of that channel, too.
func (svc *Service) afresh(news []Revocation) {
	for _, r := range news {
		if r.Kind == RevokedMember && svc.hub.Online(r.User) {
			svc.hub.notices.forget(r.User)
			svc.hub.CloseUser(r.User, CloseSlow, "resume")
		}
	}
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

package store

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"gori/chat"
	"gori/shard"
)

const (
	homeBatchRows = 2000 // inbox rows of one transaction, if one channel does not have more
	homeBackOff   = 50 * time.Millisecond
	homeBackOffTo = 2 * time.Second
)

// home applies fan-outs to the inboxes on one shard, in one transaction for
// whatever is waiting.
type home struct {
	// static
	s    *Store
	sh   *shardConn
	wake chan struct{} // capacity 1

	mu      sync.Mutex
	waiting map[chat.ChannelID]*homeNews
	order   []chat.ChannelID // of waiting, the oldest first
	rows    int

	// owned by run
	hot hotConn
}

// homeNews is what is waiting for one channel's members on this shard.
type homeNews struct {
	news    channelNews
	part    homePart
	refs    []*fanRef
	adopted bool // missing inbox rows have been made
}

func newHome(s *Store, sh *shardConn) *home {
	return &home{s: s, sh: sh, hot: hotConn{sh: sh}, wake: make(chan struct{}, 1), waiting: map[chat.ChannelID]*homeNews{}}
}

// add queues news, merged with what is waiting for that channel. It takes over
// one part of each ref.
func (h *home) add(n *homeNews) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if old := h.waiting[n.news.channel]; old != nil {
		h.rows -= len(old.part.users)
		old.merge(n)
		h.rows += len(old.part.users)
	} else if h.rows+len(n.part.users) > fanRows {
		dropAll(n.refs)
		return
	} else {
		h.waiting[n.news.channel] = n
		h.order = append(h.order, n.news.channel)
		h.rows += len(n.part.users)
	}
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// merge takes in other news of the same channel, older or newer.
func (n *homeNews) merge(o *homeNews) {
	a, b := &n.news, &o.news
	own, mentions, threads := slices.Concat(a.own, b.own), slices.Concat(a.mentions, b.mentions), slices.Concat(a.threads, b.threads)
	if b.lastSeq+chat.Seq(b.lastChange) > a.lastSeq+chat.Seq(a.lastChange) {
		n.news = *b
	}
	n.news.own, n.news.mentions, n.news.threads = own, mentions, threads
	if n.part.rosterVersion != o.part.rosterVersion || !slices.Equal(n.part.users, o.part.users) {
		// One of them may cover only some of the members.
		n.part = unite(n.part, o.part)
	}
	n.adopted = n.adopted && o.adopted
	n.refs = append(n.refs, o.refs...)
}

// unite returns the members of both.
func unite(a, b homePart) homePart {
	if a.rosterVersion < b.rosterVersion {
		a, b = b, a
	}
	u := homePart{users: slices.Clone(a.users), homes: slices.Clone(a.homes), rosterVersion: a.rosterVersion}
	for i, id := range b.users {
		if !slices.Contains(a.users, id) {
			u.users, u.homes = append(u.users, id), append(u.homes, b.homes[i])
		}
	}
	return u
}

func (h *home) run(ctx context.Context) {
	defer h.hot.disconnect()
	defer h.moveOut()
	pause := homeBackOff
	for {
		batch := h.take()
		if len(batch) == 0 {
			select {
			case <-ctx.Done():
				return
			case <-h.wake:
			}
			continue
		}
		began := time.Now()
		err := h.apply(ctx, batch)
		if err == nil {
			pause = homeBackOff
			// The first news of a quiet time are told at once. Under load what
			// comes within the pace is merged: a badge may be that late, and
			// a busy channel costs its members a row for each pace, not for
			// each message.
			if wait := h.s.cfg.InboxPace - time.Since(began); wait > 0 && nap(ctx, wait) != nil {
				return
			}
			continue
		}
		if ctx.Err() != nil {
			return
		}
		h.s.log.Debug("inboxes wait", "shard", h.sh.id, "error", err)
		for _, n := range batch {
			h.add(n)
		}
		if nap(ctx, pause) != nil {
			return
		}
		pause = min(2*pause, homeBackOffTo)
	}
}

// moveOut hands what is waiting to the shards that have the homes now, as this
// one is not used any more. When the node itself ends there is nobody to take it;
// the rows of control.fanout_pending remain.
func (h *home) moveOut() {
	if h.sh.life.ctx.Err() == nil {
		return
	}
	for batch := h.take(); len(batch) > 0; batch = h.take() {
		for _, n := range batch {
			h.s.fan.spreadNews(n)
		}
	}
}

func (h *home) take() []*homeNews {
	h.mu.Lock()
	defer h.mu.Unlock()
	rows, n := 0, 0
	var batch []*homeNews
	for _, id := range h.order {
		w := h.waiting[id]
		if len(batch) > 0 && rows+len(w.part.users) > homeBatchRows {
			break
		}
		delete(h.waiting, id)
		rows += len(w.part.users)
		batch = append(batch, w)
		n++
	}
	h.order = append(h.order[:0], h.order[n:]...)
	h.rows -= rows
	return batch
}

// apply writes a batch, in one transaction if it can. On an error all of it is
// to be tried again.
func (h *home) apply(ctx context.Context, batch []*homeNews) error {
	for try := 1; ; try++ {
		missing, err := h.transact(ctx, batch)
		if err == nil {
			h.finish(batch, missing)
			return nil
		}
		switch kind := kindOf(err); {
		case kind == failGate:
			// Some homes have moved or are moving: all is spread anew.
			return h.respread(ctx, batch, err)
		case kind == failRace && try <= 3:
		case kind == failLost:
			h.hot.disconnect()
			h.sh.suspect()
			return err
		case len(batch) > 1 && kind != failBusy:
			half := len(batch) / 2
			if err := h.apply(ctx, batch[:half]); err != nil {
				return err
			}
			return h.apply(ctx, batch[half:])
		case kind == failData:
			h.s.log.Error("an inbox update is refused", "shard", h.sh.id, "channel", batch[0].news.channel, "error", err)
			dropAll(batch[0].refs)
			return nil
		default:
			return err
		}
	}
}

// respread queues each member for the shard that owns the home now.
func (h *home) respread(ctx context.Context, batch []*homeNews, refusal error) error {
	var ps []shard.Partition
	for _, n := range batch {
		ps = append(ps, n.part.homes...)
	}
	v, err := h.s.whyClosed(ctx, h.sh, partitionArgs(ps), refusal)
	if err != nil {
		return err
	}
	wait := len(v.moving) > 0
	for p, peer := range v.moved {
		if !h.s.learn(p, peer) {
			wait = true
		}
	}
	if wait && nap(ctx, movingNap) != nil {
		return ctx.Err()
	}
	for _, n := range batch {
		h.s.fan.spreadNews(n)
	}
	return nil
}

// finish ends the parts of the batch; members without an inbox row get one
// first.
func (h *home) finish(batch []*homeNews, missing map[*homeNews]homePart) {
	for _, n := range batch {
		part, ok := missing[n]
		if !ok || n.adopted {
			for _, r := range n.refs {
				r.done()
			}
			continue
		}
		h.s.fan.adopt(&homeNews{news: n.news, part: part, refs: n.refs, adopted: true})
	}
}

// inboxKey orders the rows of a transaction as all transactions lock them.
type inboxKey struct {
	p    shard.Partition
	user chat.UserID
}

func compareKeys(a, b inboxKey) int {
	return cmp.Or(cmp.Compare(a.p, b.p), cmp.Compare(a.user, b.user))
}

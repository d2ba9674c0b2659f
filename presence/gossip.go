package presence

import (
	"encoding/binary"
	"slices"
	"time"

	"gori/chat"
)

var (
	_ Gossip        = (*Tracker)(nil)
	_ chat.Interest = (*Tracker)(nil)
)

// SetPeers connects the other nodes; self is this node's name. Call it before
// Run and before the first session.
func (t *Tracker) SetPeers(p Peers, self string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.peers, t.self = p, self
}

// NodeJoined tells of a node heard for the first time, or again. All it has is
// asked for; what is known of it is believed until the answer.
func (t *Tracker) NodeJoined(node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if node == t.self || t.peers == nil {
		return
	}
	p := t.nodes.byName[node]
	if p == nil {
		if p = t.nodes.add(node); p == nil {
			t.opt.Log.Warn("presence of a node is not followed: too many nodes", "node", node)
			return
		}
	}
	t.nodes.join(p, true)
	p.renewed, p.behind = true, true
	t.rejoined = true
	t.askLocked(p, time.Now())
}

// NodeGone tells that a node is dead or has said goodbye. Its users are in
// grace from now on, unless they are elsewhere.
func (t *Tracker) NodeGone(node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.nodes.byName[node]; p != nil && p.joined {
		t.goneLocked(p, time.Now())
	}
}

func (t *Tracker) goneLocked(p *peer, now time.Time) {
	t.nodes.join(p, false)
	p.behind = false
	p.until = now.Add(t.opt.Grace)
	signal(t.wake)
}

// NodesOf calls yield once for each other node on which any of the users has a
// session or a listener, with those users.
func (t *Tracker) NodesOf(users []chat.UserID, yield func(node string, users []chat.UserID)) {
	type group struct {
		index uint16
		node  string
		users []chat.UserID
	}
	var groups []group
	n := &t.nodes
	n.table.mu.RLock()
	for _, u := range users {
		n.table.each(u, func(s spot) {
			if !n.word(s).here() {
				return
			}
			i := slices.IndexFunc(groups, func(g group) bool { return g.index == s.node })
			if i < 0 {
				i = len(groups)
				groups = append(groups, group{s.node, n.all[s.node].name, make([]chat.UserID, 0, min(len(users), 8))})
			}
			groups[i].users = append(groups[i].users, u)
		})
	}
	n.table.mu.RUnlock()
	for _, g := range groups {
		yield(g.node, g.users)
	}
}

// Heard takes what another node's presence said. What is not well made is
// counted and ignored.
func (t *Tracker) Heard(node string, payload []byte) {
	h, body, ok := readHead(payload)
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.nodes.byName[node]
	if !ok || node == t.self {
		t.counts.Garbage++
		return
	}
	if p == nil || !p.joined {
		return // it will be heard again when it has joined
	}
	if p = t.runLocked(p, h); p == nil {
		return
	}
	now := time.Now()
	t.wakefulLocked(now)
	switch h.kind {
	case kindDelta:
		ok = t.deltaLocked(p, h, body, now)
	case kindAnswer:
		ok = t.answerLocked(p, h, body, now)
	case kindAsk:
		var a *ask
		if a, ok = readAsk(body); ok {
			t.askedLocked(p, a, now)
		}
	case kindSeen:
		ok = t.heardSeenLocked(body)
	case kindDigest:
		ok = len(body) == 0
	default:
		return // of a newer version
	}
	if !ok {
		t.counts.Garbage++
		p.behind = true
		return
	}
	if h.seq >= p.top {
		p.top, p.want = h.seq, h.root
	}
	p.behind = p.root != p.want // an older payload may have made it so
}

// runLocked finds the peer of a payload's run. When the node has restarted, the
// run before is gone. nil: the payload is of a run that has ended.
func (t *Tracker) runLocked(p *peer, h head) *peer {
	switch {
	case p.run == 0:
		p.run = h.run
	case h.run == p.run:
	case !p.renewed && h.run < p.run:
		return nil
	default:
		t.goneLocked(p, time.Now())
		fresh := t.nodes.add(p.name)
		if fresh == nil {
			return nil
		}
		t.nodes.join(fresh, true)
		fresh.run, fresh.behind, fresh.answered = h.run, true, p.answered
		p = fresh
	}
	p.renewed = false
	return p
}

// deltaLocked takes entries that changed. A bucket that is known as of later
// does not go back.
func (t *Tracker) deltaLocked(p *peer, h head, body []byte, now time.Time) bool {
	if len(body)%entryBytes != 0 {
		return false
	}
	entries, _, ok := readEntries(body, len(body)/entryBytes)
	if !ok {
		return false
	}
	for _, e := range entries {
		b := bucketOf(e.user)
		if h.seq < p.seqs[b] {
			continue
		}
		p.seqs[b] = h.seq
		t.putLocked(p, e.user, e.record, now)
	}
	return true
}

// answerLocked takes whole buckets.
func (t *Tracker) answerLocked(p *peer, h head, body []byte, now time.Time) bool {
	buckets, ok := readBuckets(body)
	if !ok {
		return false
	}
	for _, f := range buckets {
		if h.seq < p.seqs[f.bucket] {
			continue
		}
		p.seqs[f.bucket] = h.seq
		t.counts.Repaired++
		var kept map[chat.UserID]struct{}
		if p.digests[f.bucket] != 0 {
			kept = make(map[chat.UserID]struct{}, len(f.entries))
		}
		for _, e := range f.entries {
			t.putLocked(p, e.user, e.record, now)
			if kept != nil {
				kept[e.user] = struct{}{}
			}
		}
		if kept == nil {
			continue
		}
		for _, u := range t.nodes.table.inBucket(f.bucket, p.index) {
			if _, still := kept[u]; !still {
				t.putLocked(p, u, record{}, now)
			}
		}
	}
	return true
}

// putLocked takes over what a node says of a user, and has it told.
func (t *Tracker) putLocked(p *peer, u chat.UserID, r record, now time.Time) {
	before := t.sumLocked(u, now)
	left := r
	if r.word.empty() {
		left = record{}
		if r.last > 0 {
			before.last = min(millisOf(r.last), chat.MillisOf(now))
		}
	}
	old := t.nodes.put(p, u, left)
	if came := r.word.known() - old.word.known(); came > 0 {
		t.cameBackLocked(u, p, came, now)
	}
	t.changedLocked(u, before, now)
}

// cameBackLocked takes as many of the user's dropped sockets as have come back
// on a node out of their graces: those of nodes that are gone at once; those of
// this node soon, for others may hear of the end of the grace before they hear
// of the arrival. from is nil for this node.
func (t *Tracker) cameBackLocked(u chat.UserID, from *peer, came int, now time.Time) {
	if p := t.people[u]; from != nil && p != nil && len(p.dropped) > 0 {
		p.dropped = slices.Delete(p.dropped, 0, min(came, len(p.dropped)))
		if soon := now.Add(backWithin); len(p.dropped) == 0 && soon.Before(p.graceUntil) {
			p.graceUntil = soon
		}
	}
	for _, g := range t.nodes.all {
		if g == nil || g.joined || g == from {
			continue
		}
		r := t.nodes.table.get(u, g.index)
		if r.word.empty() {
			continue
		}
		if r.word = r.word.withLive(r.word.live() - came); r.word.live() == 0 {
			r = record{}
		}
		t.nodes.put(g, u, r)
	}
}

// heardSeenLocked takes who may see users from now on.
func (t *Tracker) heardSeenLocked(body []byte) bool {
	const size = 17
	if len(body)%size != 0 {
		return false
	}
	for ; len(body) > 0; body = body[size:] {
		u, at := chat.UserID(binary.LittleEndian.Uint64(body)), chat.Millis(binary.LittleEndian.Uint64(body[8:]))
		to := chat.PresenceTo(body[16])
		if u <= 0 || to > chat.PresenceToNobody {
			return false
		}
		if own, repeated := t.seenWords[u]; repeated && own.at > at {
			continue
		}
		delete(t.seenWords, u)
		t.setSeenLocked(u, seen(to)+1)
	}
	return true
}

// Listen begins a wish for a user's tidings on this node without a session;
// stop ends it. Nobody is shown as online by it.
func (t *Tracker) Listen(user chat.UserID) (stop func()) {
	t.listen(user, 1)
	return func() { t.listen(user, -1) }
}

func (t *Tracker) listen(user chat.UserID, n int) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.personLocked(user)
	before := t.sumLocked(user, now)
	p.listeners += n
	t.settleLocked(user, p, before, now)
}

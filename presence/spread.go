package presence

import (
	"context"
	"encoding/binary"
	"time"

	"gori/chat"
)

// gossipLoop tells the other nodes what changed here, and does every half
// second what needs doing: digests, asking again, ends of graces.
func (t *Tracker) gossipLoop(ctx context.Context) {
	gather := time.NewTimer(time.Hour)
	gather.Stop()
	defer gather.Stop()
	rounds := time.NewTicker(roundEvery)
	defer rounds.Stop()
	var due time.Time // of gather; zero: not armed
	arm := func(wait time.Duration) {
		if at := time.Now().Add(wait); due.IsZero() || at.Before(due) {
			due = at
			gather.Reset(wait)
		}
	}
	for {
		select {
		case <-ctx.Done():
			t.announce(time.Now())
			return
		case <-t.soon:
			arm(arrivalGather)
		case <-t.spread:
			arm(t.opt.BatchEvery)
		case <-gather.C:
			due = time.Time{}
			t.announce(time.Now())
		case <-rounds.C:
			t.round(time.Now())
		}
	}
}

// announce broadcasts what is not announced yet.
func (t *Tracker) announce(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.wakefulLocked(now); t.quiet() {
		return // round comes back to it
	}
	t.announceLocked()
}

func (t *Tracker) announceLocked() {
	if t.peers == nil {
		return
	}
	var body []byte
	flush := func() {
		if len(body) > 0 {
			t.seq++
			t.peers.ToAll(append(t.headLocked(kindDelta).append(make([]byte, 0, headBytes+len(body))), body...))
			body = body[:0]
		}
	}
	for u := range t.announces {
		delete(t.announces, u)
		p := t.people[u]
		if p == nil {
			continue
		}
		r := record{secondsOf(p.lastActive), p.word}
		if r.word == p.said.word {
			continue
		}
		if body == nil {
			body = make([]byte, 0, min(maxPayload, (len(t.announces)+1)*entryBytes))
		}
		if len(body)+entryBytes > maxPayload {
			flush()
		}
		body = entry{u, r}.append(body)
		t.saidLocked(u, p, r)
		t.forgetLocked(u, p)
	}
	flush()
}

// saidLocked notes what the other nodes have been told of a user of this one.
func (t *Tracker) saidLocked(u chat.UserID, p *person, r record) {
	b := bucketOf(u)
	if !p.said.word.empty() {
		d := hashOf(u, p.said)
		t.digests[b] -= d
		t.root -= d
	}
	p.said = r
	if !r.word.empty() {
		d := hashOf(u, r)
		t.digests[b] += d
		t.root += d
	}
	t.changed = t.lastRound
}

func (t *Tracker) headLocked(kind uint8) head { return head{kind, t.run, t.seq, t.root} }

// round does what comes up from time to time.
func (t *Tracker) round(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wakefulLocked(now)
	if t.quiet() && !now.Before(t.quietUntil) {
		t.quietUntil = time.Time{}
		t.settleAllLocked(now)
		t.announceLocked() // before anyone is answered
	}
	t.endGracesLocked(now)
	if t.peers == nil || t.quiet() {
		return
	}
	for _, p := range t.nodes.byName {
		if p.joined && p.behind && now.Sub(p.asked) >= roundEvery {
			t.askLocked(p, now)
		}
	}
	t.repeatSeenLocked()
	pause := digestIdle
	if now.Sub(t.changed) < digestLong {
		pause = digestEvery
	}
	if len(t.nodes.byName) > 0 && now.Sub(t.digested) >= pause {
		t.peers.ToAll(t.headLocked(kindDigest).append(nil))
		t.digested = now
	}
}

// wakefulLocked notices that the process stood still for so long that the other
// nodes may have given it up. Its sessions may have ended meanwhile; those that
// are long silent say nothing until they are heard. It comes before anything is
// told, whichever goroutine wakes first.
func (t *Tracker) wakefulLocked(now time.Time) {
	before := t.lastRound
	t.lastRound = now
	if before.IsZero() || now.Sub(before) <= roundEvery+frozenAfter {
		return
	}
	t.opt.Log.Warn("presence stood still; sessions are looked at anew")
	t.counts.Thaws++
	t.doubt = now.Add(-doubtAfter)
	t.quietUntil = now.Add(quietFor)
	t.untoldUntil = now.Add(untoldFor)
	t.beUnsureLocked(now)
}

// quiet tells that nothing is said to other nodes. It ends with the round that
// has looked at the sessions, not by the clock.
func (t *Tracker) quiet() bool { return !t.quietUntil.IsZero() }

// askLocked asks a node for the buckets that differ.
func (t *Tracker) askLocked(p *peer, now time.Time) {
	p.asked = now
	a := ask{run: p.run, digests: p.digests}
	t.counts.Asked++
	t.peers.ToNode(p.name, a.append(t.headLocked(kindAsk).append(make([]byte, 0, headBytes+8+8*bucketCount))))
}

// askedLocked answers a node with the buckets that it does not know.
func (t *Tracker) askedLocked(p *peer, a *ask, now time.Time) {
	if now.Sub(p.answered) < answerEvery || t.quiet() {
		return // it asks again
	}
	p.answered = now
	if a.run != t.run {
		a.digests = [bucketCount]uint64{}
	}
	differ := 0
	for b := range t.digests {
		if t.digests[b] != a.digests[b] {
			differ++
		}
	}
	var full [bucketCount][]entry
	if differ > 0 {
		for u, pn := range t.people {
			if b := bucketOf(u); !pn.said.word.empty() && t.digests[b] != a.digests[b] {
				full[b] = append(full[b], entry{u, pn.said})
			}
		}
	}
	body, sent := []byte{}, 0
	send := func() {
		t.peers.ToNode(p.name, append(t.headLocked(kindAnswer).append(make([]byte, 0, headBytes+len(body))), body...))
		body = body[:0]
		sent++
	}
	for b := range t.digests {
		if t.digests[b] == a.digests[b] {
			continue
		}
		f := bucketful{uint8(b), full[b]}
		if len(body) > 0 && len(body)+f.size() > maxPayload {
			if send(); sent == maxAnswer {
				return
			}
		}
		body = f.append(body)
	}
	send()
}

// seenWord is a change of who may see a user that the other nodes are told of
// several times, as the mesh may drop it.
type seenWord struct {
	to     chat.PresenceTo
	at     chat.Millis // of the change: of two nodes that repeat one, the later goes on
	rounds int
}

func (t *Tracker) repeatSeenLocked() {
	var b []byte
	for u, w := range t.seenWords {
		t.setSeenLocked(u, seen(w.to)+1) // a resume may have read the choice before it
		if len(b) < maxPayload {
			b = binary.LittleEndian.AppendUint64(b, uint64(u))
			b = binary.LittleEndian.AppendUint64(b, uint64(w.at))
			b = append(b, byte(w.to))
			w.rounds--
		}
		t.seenWords[u] = w
		if w.rounds <= 0 {
			delete(t.seenWords, u)
		}
	}
	if len(b) > 0 {
		t.peers.ToAll(append(t.headLocked(kindSeen).append(nil), b...))
	}
}

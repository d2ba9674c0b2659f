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
	if t.peers == nil || now.Before(t.quietUntil) {
		return // round comes back to it
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
	t.digestAfter = 0
}

func (t *Tracker) headLocked(kind uint8) head { return head{kind, t.run, t.seq, t.root} }

// round does what comes up from time to time.
func (t *Tracker) round(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	late := !t.lastRound.IsZero() && now.Sub(t.lastRound) > roundEvery+frozenAfter
	t.lastRound = now
	if late {
		t.thawLocked(now)
	}
	if !t.quietUntil.IsZero() && !now.Before(t.quietUntil) {
		t.quietUntil = time.Time{}
		t.settleAllLocked(now)
		signal(t.spread)
	}
	t.endGracesLocked(now)
	if t.peers == nil || now.Before(t.quietUntil) {
		return
	}
	for _, p := range t.nodes.byName {
		if p.joined && p.behind && now.Sub(p.asked) >= roundEvery {
			t.askLocked(p, now)
		}
	}
	t.repeatSeenLocked()
	if len(t.nodes.byName) > 0 && now.Sub(t.digested) >= t.digestAfter {
		t.peers.ToAll(t.headLocked(kindDigest).append(nil))
		t.digested = now
		t.digestAfter = min(max(2*t.digestAfter, digestMin), digestMax)
	}
}

// thawLocked: the process stood still for so long that the other nodes may have
// given it up. Its sessions may have ended meanwhile; those that are long silent
// say nothing until they are heard.
func (t *Tracker) thawLocked(now time.Time) {
	t.opt.Log.Warn("presence stood still; sessions are looked at anew")
	t.counts.Thaws++
	t.doubt = now.Add(-doubtAfter)
	t.quietUntil = now.Add(quietFor)
	t.untoldUntil = now.Add(untoldFor)
}

// askLocked asks a node for the buckets that differ.
func (t *Tracker) askLocked(p *peer, now time.Time) {
	p.asked = now
	a := ask{run: p.run, digests: p.digests}
	t.counts.Asked++
	t.peers.ToNode(p.name, a.append(t.headLocked(kindAsk).append(make([]byte, 0, headBytes+8+8*bucketCount))))
}

// askedLocked answers a node with the buckets that it does not know.
func (t *Tracker) askedLocked(p *peer, a *ask, now time.Time) {
	if now.Sub(p.answered) < answerEvery || now.Before(t.quietUntil) {
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
	rounds int
}

func (t *Tracker) repeatSeenLocked() {
	var b []byte
	for u, w := range t.seenWords {
		if len(b) < maxPayload {
			b = binary.LittleEndian.AppendUint64(b, uint64(u))
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

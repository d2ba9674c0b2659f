package presence

import (
	"context"
	"errors"
	"slices"
	"time"

	"gori/chat"
)

// keepEvery is how long changes gather before they are saved in bulk, and the
// pause after an error.
const keepEvery = time.Second

// keepLoop saves last_active_at: soon for people who went away or offline, once
// in SaveEvery for the others; it reads what watchers miss, and what a node that
// has joined may have changed. It is apart from
// telling because a shard that is down may keep it waiting.
func (t *Tracker) keepLoop(ctx context.Context) {
	all := time.NewTicker(t.opt.SaveEvery)
	defer all.Stop()
	soon := time.NewTimer(time.Hour)
	soon.Stop()
	defer soon.Stop()
	armed := false
	for {
		select {
		case <-ctx.Done():
			t.markAll()
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			t.saveUnsaved(last)
			return
		case <-t.keep:
			if !armed {
				soon.Reset(keepEvery)
				armed = true
			}
		case <-soon.C:
			armed = false
			t.lookUp(ctx)
			if !t.saveUnsaved(ctx) {
				soon.Reset(keepEvery)
				armed = true
			}
		case <-all.C:
			t.rereadSeen(ctx)
			t.markAll()
			signal(t.keep)
		}
	}
}

// markAll notes everyone who was active since the last save.
func (t *Tracker) markAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for u, p := range t.people {
		if p.lastActive > p.saved {
			t.unsaved[u] = struct{}{}
		}
	}
}

// saveUnsaved saves in batches until none is left; false on an error, after
// which what is unsaved stays so.
func (t *Tracker) saveUnsaved(ctx context.Context) bool {
	ok := true
	for _, at := range t.unsavedBatches() {
		if err := t.beats.SaveActive(ctx, at); err != nil {
			ok = false
			if !errors.Is(err, context.Canceled) {
				t.opt.Log.Warn("last_active_at not saved; will be tried again", "users", len(at), "err", err)
			}
			continue
		}
		t.mu.Lock()
		for u, when := range at {
			p := t.people[u]
			if p == nil {
				continue
			}
			p.saved = max(p.saved, when)
			if p.saved >= p.lastActive {
				delete(t.unsaved, u)
			}
			t.forgetLocked(u, p)
		}
		t.mu.Unlock()
	}
	return ok
}

// unsavedBatches copies what is to be saved, and gives up offline people's
// times beyond maxUnsaved.
func (t *Tracker) unsavedBatches() []map[chat.UserID]chat.Millis {
	t.mu.Lock()
	defer t.mu.Unlock()
	var batches []map[chat.UserID]chat.Millis
	var at map[chat.UserID]chat.Millis
	n := 0
	for u := range t.unsaved {
		p := t.people[u]
		if p == nil || p.saved >= p.lastActive {
			delete(t.unsaved, u)
			continue
		}
		if n++; n > maxUnsaved && p.word.say() == sayNothing {
			p.saved = p.lastActive
			t.dropped++
			t.forgetLocked(u, p)
			delete(t.unsaved, u)
			continue
		}
		if len(at) == 0 || len(at) == MaxBatch {
			at = make(map[chat.UserID]chat.Millis, MaxBatch)
			batches = append(batches, at)
		}
		at[u] = p.lastActive
	}
	return batches
}

// rereadSeen reads who may see the people here after a node has joined: while
// two nodes could not hear each other, one may have missed a change.
func (t *Tracker) rereadSeen(ctx context.Context) {
	t.mu.Lock()
	rejoined := t.rejoined
	t.rejoined = false
	var ids []chat.UserID
	for u, p := range t.people {
		if rejoined && len(p.sessions) > 0 {
			ids = append(ids, u)
		}
	}
	t.mu.Unlock()
	for chunk := range slices.Chunk(ids, MaxBatch) {
		to, err := t.beats.SeenBy(ctx, chunk)
		if err != nil {
			t.opt.Log.Warn("who may see whom was not read", "users", len(chunk)-len(to), "err", err)
		}
		t.mu.Lock()
		for u, to := range to {
			if _, changing := t.seenWords[u]; !changing {
				t.setSeenLocked(u, seen(to)+1)
			}
		}
		if err != nil {
			t.rejoined = true
		}
		t.mu.Unlock()
	}
}

// glimpse is what one session is to be told of a user it watches: when the user,
// who is not here, was last active, or with zero how the user is seen now.
type glimpse struct {
	session chat.SessionID
	user    chat.UserID
	at      chat.Millis
}

// lookUp reads last_active_at of watched people who are not here and hands it
// to the telling loop, so that it cannot overtake their arrival. What fails is
// not tried again: whoever opens the channel next asks anew.
func (t *Tracker) lookUp(ctx context.Context) {
	for {
		session, viewer, ids, more := t.takeLookup()
		if !more {
			return
		}
		if len(ids) == 0 {
			continue
		}
		at, err := t.beats.LastActive(ctx, viewer, ids)
		if err != nil {
			t.opt.Log.Warn("last_active_at not read", "users", len(ids), "err", err)
		}
		t.mu.Lock()
		for u, when := range at {
			if when > 0 {
				t.found = append(t.found, glimpse{session, u, when})
			}
		}
		t.mu.Unlock()
		signal(t.wake)
	}
}

// takeLookup takes one session and those it watches who are nowhere.
func (t *Tracker) takeLookup() (session chat.SessionID, viewer chat.UserID, ids []chat.UserID, more bool) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.unsureUntil.IsZero() {
		return // comes back when it is known who is nowhere
	}
	for session = range t.lookups {
		more = true
		break
	}
	if !more {
		return
	}
	delete(t.lookups, session)
	viewer = t.users[session]
	p := t.people[viewer]
	if p == nil {
		return
	}
	for _, s := range p.sessions {
		if s.id != session {
			continue
		}
		for _, u := range s.watching {
			if t.sumLocked(u, now).last == 0 && !p.mayNotSee(u) {
				ids = append(ids, u)
			}
		}
	}
	return
}

// States answers a viewer for any users, at most MaxBatch, with the time of
// those who are not here read from Beats. It waits for the shards; an error
// still gives what memory knows. Those of whom the node is unsure are left out.
func (t *Tracker) States(ctx context.Context, viewer chat.UserID, users []chat.UserID) ([]chat.PresenceState, error) {
	now := time.Now()
	t.mu.Lock()
	users, sums := t.sureOfLocked(viewer, users[:min(len(users), MaxBatch)], now)
	states := make([]chat.PresenceState, len(users))
	var missing []chat.UserID
	p := t.people[viewer]
	here := p != nil && len(p.sessions) > 0
	if !here {
		p = &person{id: viewer}
	}
	for i, u := range users {
		states[i] = stateOf(p, u, sums[i])
		if sums[i].say == sayNothing && states[i].LastActiveAt == 0 || !here && u != viewer {
			missing = append(missing, u)
		}
	}
	t.mu.Unlock()
	if len(missing) == 0 {
		return states, nil
	}
	at, err := t.beats.LastActive(ctx, viewer, missing)
	for i, u := range users {
		when, visible := at[u]
		if !here && u != viewer {
			// Who the viewer's friends are, and who hides, only the shards know.
			states[i] = chat.PresenceState{User: u, State: offline.String()}
			if visible {
				states[i].State, states[i].LastActiveAt = sums[i].say.level().String(), sums[i].last
			}
		}
		if visible && states[i].LastActiveAt == 0 && sums[i].say == sayNothing {
			states[i].LastActiveAt = when
		}
	}
	return states, err
}

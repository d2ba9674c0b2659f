package presence

import (
	"context"
	"errors"
	"time"

	"gori/chat"
)

// keepEvery is how long changes gather before they are saved in bulk, and the
// pause after an error.
const keepEvery = time.Second

// keepLoop saves last_active_at: soon for people who went away or offline, once
// in SaveEvery for the others, and reads what watchers miss. It is apart from
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
		if n++; n > maxUnsaved && p.status == Offline {
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

// lookUp reads last_active_at of watched people who are not here and hands it
// to the telling loop, so that it cannot overtake their arrival. What fails is
// not tried again: whoever opens the channel next asks anew.
func (t *Tracker) lookUp(ctx context.Context) {
	for ids := t.takeLookups(); len(ids) > 0; ids = t.takeLookups() {
		at, err := t.beats.LastActive(ctx, ids)
		if err != nil {
			t.opt.Log.Warn("last_active_at not read", "users", len(ids), "err", err)
		}
		t.mu.Lock()
		for u, when := range at {
			if t.people[u] == nil && when > 0 {
				t.found[u] = when
			}
		}
		t.mu.Unlock()
		signal(t.wake)
	}
}

func (t *Tracker) takeLookups() []chat.UserID {
	t.mu.Lock()
	defer t.mu.Unlock()
	ids := make([]chat.UserID, 0, min(len(t.lookups), MaxBatch))
	for u := range t.lookups {
		if len(ids) == MaxBatch {
			break
		}
		delete(t.lookups, u)
		ids = append(ids, u)
	}
	return ids
}

// States answers for any users, at most MaxBatch, with the time of those who
// are not here read from Beats. It waits for the shards; an error still gives
// what memory knows.
func (t *Tracker) States(ctx context.Context, users []chat.UserID) ([]chat.PresenceState, error) {
	users = users[:min(len(users), MaxBatch)]
	t.mu.Lock()
	states := t.statesLocked(users)
	t.mu.Unlock()
	var missing []chat.UserID
	for _, s := range states {
		if s.LastActiveAt == 0 {
			missing = append(missing, s.User)
		}
	}
	if len(missing) == 0 {
		return states, nil
	}
	at, err := t.beats.LastActive(ctx, missing)
	for i := range states {
		if states[i].LastActiveAt == 0 {
			states[i].LastActiveAt = at[states[i].User]
		}
	}
	return states, err
}

package store

import (
	"slices"
	"testing"
	"time"

	"gori/chat"
)

func TestLastActiveNeverGoesBack(t *testing.T) {
	t.Parallel()
	h := newWorld(t, 2)
	ctx := t.Context()
	at := map[chat.UserID]chat.Millis{}
	users := h.people(12)
	for i, u := range users {
		at[u] = chat.Millis(1_700_000_000_000 + i)
	}
	stranger := h.person("stranger")
	if err := h.SaveActive(ctx, at); err != nil {
		t.Fatal(err)
	}
	older := map[chat.UserID]chat.Millis{users[0]: 1_600_000_000_000, users[1]: 1_750_000_000_000}
	at[users[1]] = older[users[1]]
	if err := h.SaveActive(ctx, older); err != nil {
		t.Fatal(err)
	}
	got, err := h.LastActive(ctx, stranger, append(users, stranger, 1<<60))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(at)+1 || got[stranger] != 0 {
		t.Fatalf("%d times read, want %d", len(got), len(at))
	}
	for u, want := range at {
		if got[u] != want {
			t.Fatalf("user %d was last active at %d, want %d", u, got[u], want)
		}
	}
}

// TestClockAheadWritesNoFuture: a node with a wrong clock does not make anyone
// active tomorrow.
func TestClockAheadWritesNoFuture(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	u := w.person("early")
	ahead := chat.MillisOf(time.Now().Add(time.Hour))
	if err := w.SaveActive(t.Context(), map[chat.UserID]chat.Millis{u: ahead}); err != nil {
		t.Fatal(err)
	}
	if at := sure(w.LastActive(t.Context(), u, []chat.UserID{u}))[u]; at == 0 || at > chat.MillisOf(time.Now().Add(time.Minute)) {
		t.Fatalf("an hour ahead is kept as %v", at.Time())
	}
}

// TestWhoMaySee: last_active_at is told to those whom the user has chosen, never
// to those the user has blocked, and always to the user.
func TestWhoMaySee(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	p := w.people(4)
	u, friend, stranger, blocked := p[0], p[1], p[2], p[3]
	sure(w.Befriend(ctx, u, friend))
	sure(w.Befriend(ctx, friend, u))
	if err := w.Block(ctx, u, blocked); err != nil {
		t.Fatal(err)
	}
	if err := w.SaveActive(ctx, map[chat.UserID]chat.Millis{u: 1_700_000_000_000}); err != nil {
		t.Fatal(err)
	}
	for to, want := range map[chat.PresenceTo]map[chat.UserID]bool{
		chat.PresenceToEveryone: {u: true, friend: true, stranger: true},
		chat.PresenceToFriends:  {u: true, friend: true},
		chat.PresenceToNobody:   {u: true},
	} {
		self := sure(w.EditProfile(ctx, u, chat.ProfileEdit{PresenceTo: &to}))
		if self.PresenceTo != to || sure(w.SeenBy(ctx, p))[u] != to {
			t.Fatalf("%v was kept as %v", to, self.PresenceTo)
		}
		for _, viewer := range p {
			at, seen := sure(w.LastActive(ctx, viewer, []chat.UserID{u}))[u]
			if seen != want[viewer] || seen && at != 1_700_000_000_000 {
				t.Errorf("%v: viewer %d of %v sees %v, %d", to, viewer, p, seen, at)
			}
		}
	}
	for _, viewer := range p {
		hiding := sure(w.HidingFrom(ctx, viewer))
		home := sure(w.Home(ctx, viewer, 0, 1))
		if slices.Contains(hiding, u) != (viewer == blocked) || !slices.Equal(hiding, home.Hiding) {
			t.Errorf("from %d of %v hide %v, %v", viewer, p, hiding, home.Hiding)
		}
	}
}

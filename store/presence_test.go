package store

import (
	"context"
	"testing"

	"gori/chat"
)

func TestLastActiveNeverGoesBack(t *testing.T) {
	h := newHarness(t, 2)
	ctx := context.Background()
	var users []chat.UserID
	at := map[chat.UserID]chat.Millis{}
	for i := range 40 {
		u := h.user()
		users = append(users, u)
		at[u] = chat.Millis(1_700_000_000_000 + i)
	}
	stranger := h.user()
	if err := h.SaveActive(ctx, at); err != nil {
		t.Fatal(err)
	}
	older := map[chat.UserID]chat.Millis{users[0]: 1_600_000_000_000, users[1]: 1_800_000_000_000}
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

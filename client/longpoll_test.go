package client_test

import (
	"testing"
	"time"

	"gori/client"
)

func TestWaitInbox(t *testing.T) {
	a, b, ch := pair(t, edge(t))
	page, err := b.Inbox(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	type polled struct {
		page client.InboxPage
		err  error
	}
	answer := make(chan polled)
	go func() {
		page, err := b.WaitInbox(t.Context(), page.Pos, 10, time.Minute)
		answer <- polled{page, err}
	}()
	if _, err := a.Post(t.Context(), client.Outgoing{Channel: ch, Body: "hello"}); err != nil {
		t.Fatal(err)
	}
	got := <-answer
	if got.err != nil || len(got.page.Entries) != 1 || got.page.Entries[0].Preview != "hello" {
		t.Fatalf("the answer is %+v", got)
	}
	if page, err = b.WaitInbox(t.Context(), got.page.Pos, 10, time.Millisecond); err != nil || len(page.Entries) != 0 {
		t.Fatalf("%+v, %v", page, err)
	}
	if page, err = b.WaitInbox(t.Context(), 1<<40, 10, time.Minute); err != nil || page.Pos >= 1<<40 {
		t.Fatalf("a position from elsewhere: %+v, %v", page, err)
	}
}

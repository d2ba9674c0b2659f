package client_test

import (
	"testing"
	"time"

	"gori/client"
	"gori/client/clienttest"
)

// endless is a back-off that a test would not survive.
var endless = client.Backoff{Base: 24 * time.Hour, Cap: 24 * time.Hour, Rand: func(d time.Duration) time.Duration {
	if d < time.Second {
		return 0
	}
	return d
}}

// await waits for a signal.
func await(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatal(what)
	}
}

// TestDrainComesBackAtOnce: a drained device does not wait for its back-off,
// says that it resumes, and its outbox goes on.
func TestDrainComesBackAtOnce(t *testing.T) {
	for _, code := range []int{1012, 4002} {
		s := clienttest.New(t)
		a, _, ch := pair(t, s.URL)
		back := make(chan struct{}, 10)
		l := connect(t, a, client.LiveOptions{Backoff: endless,
			Events: client.Events{Connected: func(client.Resumed) { back <- struct{}{} }}})
		await(t, back, "no first session")
		if _, err := l.Send(t.Context(), client.Outgoing{Channel: ch, Body: "before"}); err != nil {
			t.Fatal(err)
		}
		s.CloseAll(code, "the node goes away")
		await(t, back, "it waits for its back-off")
		if _, err := l.Send(t.Context(), client.Outgoing{Channel: ch, Body: "after"}); err != nil {
			t.Fatal(err)
		}
		if s.Resumes != 1 {
			t.Errorf("after %d: %d sockets were asked for with a position, not 1", code, s.Resumes)
		}
		st := l.Stats()
		if st.Connects != 2 || st.LongestGap <= 0 || st.LongestSend <= 0 {
			t.Errorf("after %d: %+v", code, st)
		}
	}
}

// TestUnreachableAddressIsLeft: of several addresses of a system one that does
// not answer is left for the next.
func TestUnreachableAddressIsLeft(t *testing.T) {
	s := clienttest.New(t)
	a, _, _ := pair(t, s.URL)
	c, err := client.New("http://127.0.0.1:1", client.Options{Token: a.Token(), Others: []string{s.URL}})
	if err != nil {
		t.Fatal(err)
	}
	connect(t, c, client.LiveOptions{})
	if _, err := c.Self(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestRefusedSendsAreTold: a send that must wait is told, and goes on.
func TestRefusedSendsAreTold(t *testing.T) {
	s := clienttest.New(t)
	a, _, ch := pair(t, s.URL)
	refusals := 3
	s.Refuse = func(client.Outgoing) *client.Error {
		if refusals--; refusals < 0 {
			return nil
		}
		return &client.Error{Code: "shard_unavailable", Retry: true, After: time.Millisecond}
	}
	told := 0
	l := connect(t, a, client.LiveOptions{Events: client.Events{Refused: func(_ client.ClientMsgID, why *client.Error, after time.Duration) {
		if why.Code == "shard_unavailable" && after > 0 {
			told++
		}
	}}})
	if _, err := l.Send(t.Context(), client.Outgoing{Channel: ch, Body: "x"}); err != nil || told != 3 {
		t.Fatalf("%d refusals told, %v", told, err)
	}
}

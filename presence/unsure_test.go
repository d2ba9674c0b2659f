package presence

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gori/chat"
)

// restartAll stops all nodes at once and starts them again, knowing nothing.
func (l *lan) restartAll() {
	for _, n := range l.nodes {
		n.stop()
	}
	for _, n := range l.nodes {
		n.fresh()
		n.run()
	}
	for _, a := range l.nodes {
		for _, b := range l.nodes {
			if a != b {
				a.NodeJoined(b.name)
			}
		}
	}
}

// stateIn finds a user's state in an answer; "" if it says nothing of the user.
func stateIn(states []chat.PresenceState, u chat.UserID) string {
	for _, s := range states {
		if s.User == u {
			return s.State
		}
	}
	return ""
}

// TestAllNodesGoneAtOnce: nobody remembers a grace, and still nobody who comes
// back within one is shown offline to those who came back first.
func TestAllNodesGoneAtOnce(t *testing.T) {
	const first, back, away, stranger = 11, 1, 5, 21
	onLAN(t, 3, func(l *lan) {
		l.restartAll()
		time.Sleep(2 * time.Second)
		a, b, c := l.nodes[0], l.nodes[1], l.nodes[2]
		come(a.Tracker, first, first)
		come(c.Tracker, stranger, stranger)
		friends := a.Befriended(first, []chat.UserID{back, away}, nil)
		watched := c.Watch(stranger, []chat.UserID{back, away})
		asked, err := c.States(t.Context(), stranger, []chat.UserID{back, away, stranger})
		if err != nil || len(friends) > 0 || len(watched) > 0 || len(asked) != 1 || stateIn(asked, stranger) != "online" {
			t.Fatalf("an answer says %v to a friend, %v to a stranger who watches and %v to one who asks (%v)", friends, watched, asked, err)
		}
		time.Sleep(5 * time.Second)
		b.Arrived(back, back, 10)
		time.Sleep(900 * time.Millisecond) // the shard that knows who may see the user is slow
		b.SeenBy(back, chat.PresenceToEveryone)
		after(500 * time.Millisecond)
		if st := a.Befriended(first, []chat.UserID{back, away}, nil); stateIn(st, back) != "online" || stateIn(st, away) != "" {
			t.Fatalf("an answer says %v", st)
		}
		after(10 * time.Second)
		for who, got := range map[string][]string{"friend": a.ear.words(first, back), "stranger": sessionSays(c.ear, stranger, back)} {
			if !slices.Equal(got, []string{"online"}) {
				t.Errorf("the %s was told %v of who came back", who, got)
			}
		}
		for who, got := range map[string][]string{"friend": a.ear.words(first, away), "stranger": sessionSays(c.ear, stranger, away)} {
			if !slices.Equal(got, []string{"offline"}) {
				t.Errorf("the %s was told %v of who stayed away", who, got)
			}
		}
		if st := a.Befriended(first, []chat.UserID{away}, nil); stateIn(st, away) != "offline" {
			t.Errorf("a sure node says %v", st)
		}
	})
}

// TestGoodbyeToAnUnsureNode: whose other device is about to come back is not shown
// offline; whose is not, and whose socket was the only one, is once the node is sure.
func TestGoodbyeToAnUnsureNode(t *testing.T) {
	const viewer, back, away, shut = 11, 1, 2, 3
	onLAN(t, 3, func(l *lan) {
		a, b, c := l.nodes[0], l.nodes[1], l.nodes[2]
		l.restartAll()
		time.Sleep(time.Second)
		come(a.Tracker, viewer, viewer)
		a.Befriended(viewer, []chat.UserID{back, away}, []chat.UserID{shut})
		a.Watch(viewer, []chat.UserID{shut})
		for _, u := range []chat.UserID{back, away, shut} {
			come(b.Tracker, u, chat.SessionID(u))
		}
		time.Sleep(time.Second)
		left := chat.MillisOf(time.Now())
		for _, u := range []chat.UserID{back, away, shut} {
			b.Left(u, chat.SessionID(u), true)
		}
		time.Sleep(time.Second)
		if st := a.Befriended(viewer, []chat.UserID{back, away}, []chat.UserID{shut}); len(st) > 0 {
			t.Errorf("an answer says %v", st)
		}
		come(c.Tracker, back, 100)
		after(10 * time.Second)
		if got := a.ear.words(viewer, back); slices.Contains(got, "offline") || len(got) == 0 {
			t.Errorf("told %v of who came back", got)
		}
		if got := a.ear.words(viewer, away); !slices.Equal(got, []string{"online", "offline"}) {
			t.Errorf("told %v of who stayed away", got)
		}
		for _, h := range a.ear.all() {
			if h.state.User == away && h.state.State == "offline" && h.state.LastActiveAt/1000 != left/1000 {
				t.Errorf("last active at %d, not %d", h.state.LastActiveAt, left)
			}
		}
		// Owed since the channel was opened, and no more often for the comings and goings.
		if got := sessionSays(a.ear, viewer, shut); !slices.Equal(got, []string{"offline"}) {
			t.Errorf("told %v of who does not want to be seen", got)
		}
	})
}

// TestUnsureTellsNobodyWhoIsShutOut: what an unsure node leaves out, and when it
// makes good for it, does not depend on who may see the user.
func TestUnsureTellsNobodyWhoIsShutOut(t *testing.T) {
	const viewer, shut, hidden = 11, 1, 2
	onLAN(t, 2, func(l *lan) {
		l.restartAll()
		a, b := l.nodes[0], l.nodes[1]
		come(a.Tracker, viewer, viewer)
		a.Befriended(viewer, nil, []chat.UserID{shut})
		if st := a.Watch(viewer, []chat.UserID{shut, hidden, 3}); len(st) != 0 {
			t.Fatalf("told %v", st)
		}
		time.Sleep(time.Second)
		come(b.Tracker, shut, 100)
		b.Arrived(hidden, hidden, 200)
		b.SeenBy(hidden, chat.PresenceToNobody)
		after(15 * time.Second)
		for u := chat.UserID(1); u <= 3; u++ {
			if got := sessionSays(a.ear, viewer, u); !slices.Equal(got, []string{"offline"}) {
				t.Errorf("told %v of %d", got, u)
			}
		}
	})
}

// TestOwedIsToldInParts: a node with many viewers does not hold up everything
// when it becomes sure, and looks up then when people were last there.
func TestOwedIsToldInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, e := &fakeBeats{at: map[chat.UserID]chat.Millis{}}, &ear{start: time.Now()}
		tr := New(b, e, Options{})
		defer running(t, tr)()
		const viewers, each = 60, MaxWatched
		for v := range viewers {
			viewer := chat.UserID(1 + v)
			come(tr, viewer, chat.SessionID(viewer))
			users := make([]chat.UserID, each)
			for i := range users {
				users[i] = chat.UserID(1000 + v*each + i)
			}
			b.at[users[0]] = 7
			tr.Watch(chat.SessionID(viewer), users)
		}
		after(9 * time.Second)
		if early := e.all(); len(early) > 0 {
			t.Errorf("%d states told by a node that is unsure", len(early))
		}
		after(5 * time.Second)
		rounds, last := map[time.Duration]int{}, map[chat.UserID]chat.Millis{}
		for _, h := range e.all() {
			u := h.state.User
			if viewer := chat.SessionID(1 + (u-1000)/each); h.state.State != "offline" || !h.sess[viewer] || len(h.sess) != 1 {
				t.Fatalf("sessions %v were told %v", h.sess, h.state)
			}
			if _, again := last[u]; !again {
				rounds[h.after]++
			}
			last[u] = h.state.LastActiveAt
		}
		for v := range viewers {
			if at := last[chat.UserID(1000+v*each)]; at != 7 {
				t.Fatalf("told as last active at %d", at)
			}
		}
		if len(last) != viewers*each {
			t.Errorf("%d of %d are told of", len(last), viewers*each)
		}
		if len(rounds) < viewers*each/maxOwed {
			t.Errorf("all was told in %d rounds", len(rounds))
		}
	})
}

package presence

import (
	"slices"
	"testing"
	"time"

	"gori/chat"
)

// sessionSays lists what a session was told of a user.
func sessionSays(e *ear, s chat.SessionID, u chat.UserID) []string {
	var w []string
	for _, h := range e.sessionWords(s, u) {
		w = append(w, h.state.State)
		if h.state.State == "offline" && h.state.LastActiveAt != 0 {
			w[len(w)-1] = "offline since"
		}
	}
	return w
}

// TestWhoSeesWhom: a user's choice counts on every node, at once.
func TestWhoSeesWhom(t *testing.T) {
	onLAN(t, 3, func(l *lan) {
		l.friends()
		a, b, c := l.nodes[0], l.nodes[1], l.nodes[2]
		b.Watch(12, []chat.UserID{1}) // a friend who watches
		come(c.Tracker, 33, 33)       // a stranger who watches
		c.Watch(33, []chat.UserID{1})
		a.Arrived(1, 1, 10)
		a.Beat(1, 10, true)
		after(2 * time.Second)
		l.wants() // nobody may see who has not been heard to allow it
		a.SeenBy(1, chat.PresenceToNobody)
		after(2 * time.Second)
		l.wants()
		change := func(at *lanNode, to chat.PresenceTo) {
			l.beats.choose(1, to)
			at.SeenByChanged(1, to)
			after(time.Second)
		}
		change(c, chat.PresenceToFriends) // on a node where the user is not
		l.wants("online")
		if w := sessionSays(c.ear, 33, 1); len(w) != 0 {
			t.Fatalf("the stranger was told %v", w)
		}
		change(b, chat.PresenceToEveryone)
		l.wants("online")
		if w := sessionSays(c.ear, 33, 1); !slices.Equal(w, []string{"online"}) {
			t.Fatalf("the stranger was told %v", w)
		}
		change(a, chat.PresenceToNobody)
		l.wants("online", "offline")
		if w := sessionSays(c.ear, 33, 1); !slices.Equal(w, []string{"online", "offline"}) {
			t.Fatalf("the stranger was told %v", w)
		}
		a.Left(1, 10, true)
		after(time.Second)
		l.wants("online", "offline") // nothing new
		if w := sessionSays(b.ear, 12, 1); len(w) != 0 {
			t.Fatalf("the friend who watches was told twice: %v", w)
		}
	})
}

// TestBlockedSeeNothing: neither by watching nor by asking.
func TestBlockedSeeNothing(t *testing.T) {
	onLAN(t, 2, func(l *lan) {
		a, b := l.nodes[0], l.nodes[1]
		come(a.Tracker, 1, 10)
		come(b.Tracker, 2, 20)
		b.Befriended(2, nil, []chat.UserID{1})
		after(time.Second)
		if s := b.Watch(20, []chat.UserID{1}); len(s) != 1 || s[0].State != "offline" || s[0].LastActiveAt != 0 {
			t.Fatalf("opening the channel showed %+v", s)
		}
		a.Left(1, 10, true)
		after(time.Second)
		come(a.Tracker, 1, 11)
		after(5 * time.Second)
		if w := b.ear.sessionWords(20, 1); len(w) != 0 {
			t.Fatalf("told %v", w)
		}
		if s, err := b.States(t.Context(), 2, []chat.UserID{1}); err != nil || s[0].State != "offline" || s[0].LastActiveAt != 0 {
			t.Fatalf("asking showed %+v, %v", s, err)
		}
		b.Befriended(2, nil, nil)
		if s, _ := b.States(t.Context(), 2, []chat.UserID{1}); s[0].State != "online" {
			t.Fatalf("after the block asking showed %+v", s)
		}
	})
}

// TestBlockWhileWatching: who is shut out, or is no friend any more, sees it at
// once in the channel that is open.
func TestBlockWhileWatching(t *testing.T) {
	onLAN(t, 2, func(l *lan) {
		a, b := l.nodes[0], l.nodes[1]
		come(a.Tracker, 1, 10)
		a.Arrived(3, 3, 30)
		a.SeenBy(3, chat.PresenceToFriends)
		come(b.Tracker, 2, 20)
		b.Befriended(2, []chat.UserID{3}, nil)
		after(time.Second)
		b.Watch(20, []chat.UserID{1, 3})
		b.Befriended(2, []chat.UserID{3}, []chat.UserID{1})
		after(time.Second)
		b.Befriended(2, nil, nil)
		after(time.Second)
		if w := sessionSays(b.ear, 20, 1); !slices.Equal(w, []string{"offline", "online"}) {
			t.Fatalf("of the one who blocked and unblocked, told %v", w)
		}
		if w := sessionSays(b.ear, 20, 3); !slices.Equal(w, []string{"offline"}) {
			t.Fatalf("of the one who is no friend any more, told %v", w)
		}
	})
}

// TestAskingFromAnywhere: States for a viewer with no session on the node goes by
// what the shards say of who may see whom.
func TestAskingFromAnywhere(t *testing.T) {
	onLAN(t, 2, func(l *lan) {
		a, b := l.nodes[0], l.nodes[1]
		l.beats.choose(3, chat.PresenceToNobody)
		l.beats.at[4] = 77
		come(a.Tracker, 1, 10)
		a.Arrived(3, 3, 30)
		a.SeenBy(3, chat.PresenceToNobody)
		after(time.Second)
		s, err := b.States(t.Context(), 9, []chat.UserID{1, 3, 4})
		if err != nil || s[0].State != "online" || s[1].State != "offline" || s[1].LastActiveAt != 0 || s[2].LastActiveAt != 77 {
			t.Fatalf("%+v, %v", s, err)
		}
		// One's own state is the truth.
		if s, _ = b.States(t.Context(), 3, []chat.UserID{3}); s[0].State != "online" {
			t.Fatalf("of oneself: %+v", s)
		}
	})
}

// TestHiddenUserLeavesNoTimes: last_active_at of a user whom nobody may see is
// told to nobody, whether the user is here or not.
func TestHiddenUserLeavesNoTimes(t *testing.T) {
	onLAN(t, 2, func(l *lan) {
		a, b := l.nodes[0], l.nodes[1]
		b.friend(12)
		a.Arrived(1, 1, 10)
		a.SeenBy(1, chat.PresenceToNobody)
		after(time.Second)
		come(b.Tracker, 33, 33)
		for i := range 2 {
			for _, s := range append(b.Watch(33, []chat.UserID{1}), b.Befriended(12, []chat.UserID{1}, nil)...) {
				if s.State != "offline" || s.LastActiveAt != 0 {
					t.Fatalf("showed %+v", s)
				}
			}
			if i == 0 {
				a.Left(1, 10, false)
				l.beats.choose(1, chat.PresenceToNobody)
				after(15 * time.Second)
			}
		}
		if n := len(b.ear.words(12, 1)) + len(b.ear.sessionWords(33, 1)); n != 0 {
			t.Fatalf("told %d times", n)
		}
	})
}

// TestChoiceMadeBeyondACut: the node where the user is did not hear of the change;
// it reads it once it hears the others again.
func TestChoiceMadeBeyondACut(t *testing.T) {
	onLAN(t, 2, func(l *lan) {
		a, b := l.nodes[0], l.nodes[1]
		come(a.Tracker, 1, 10)
		a.friend(11)
		l.part(a, false)
		l.beats.choose(1, chat.PresenceToNobody)
		b.SeenByChanged(1, chat.PresenceToNobody)
		time.Sleep(time.Minute)
		l.heal(a, false)
		after(62 * time.Second)
		if a.sees(1) != "offline" || b.sees(1) != "offline" {
			t.Fatalf("shown as %s and %s", a.sees(1), b.sees(1))
		}
	})
}

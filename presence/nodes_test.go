package presence

import (
	"slices"
	"testing"
	"time"

	"gori/chat"
)

func TestArrivalIsKnownEverywhereAtOnce(t *testing.T) {
	onLAN(t, 3, func(l *lan) {
		l.friends()
		a, b, c := l.nodes[0], l.nodes[1], l.nodes[2]
		come(a.Tracker, 1, 10)
		after(50 * time.Millisecond)
		for _, n := range []*lanNode{b, c} {
			if got := n.nodesOf(1); !slices.Equal(got, []string{"n1"}) {
				t.Fatalf("%s finds user 1 on %v", n.name, got)
			}
		}
		if got := a.nodesOf(1); len(got) != 0 {
			t.Fatalf("n1 finds its own user on %v", got)
		}
		after(500 * time.Millisecond) // the promise is 2 s
		l.wants("online")
		come(c.Tracker, 1, 20)
		after(50 * time.Millisecond)
		if got := b.nodesOf(1); !slices.Equal(got, []string{"n1", "n3"}) {
			t.Fatalf("n2 finds user 1 on %v", got)
		}
		a.Left(1, 10, true)
		after(time.Second)
		l.wants("online")
		if got := b.nodesOf(1); !slices.Equal(got, []string{"n3"}) {
			t.Fatalf("n2 finds user 1 on %v", got)
		}
		c.Left(1, 20, true) // the last device anywhere
		after(500 * time.Millisecond)
		l.wants("online", "offline")
		if got := b.nodesOf(1); len(got) != 0 {
			t.Fatalf("n2 finds user 1 on %v", got)
		}
	})
}

func TestDropHereAndBackThereIsNoFlicker(t *testing.T) {
	onLAN(t, 3, func(l *lan) {
		l.friends()
		come(l.nodes[0].Tracker, 1, 10)
		for i := range 12 {
			from, to := l.nodes[i%3], l.nodes[(i+1)%3]
			from.Beat(1, chat.SessionID(10+i), true)
			time.Sleep(10 * time.Second)
			from.Left(1, chat.SessionID(10+i), false)
			time.Sleep(9 * time.Second)
			to.resume(1, chat.SessionID(11+i))
		}
		after(30 * time.Second)
		l.wants("online")
		// Its dropped sockets have come back: bye of the last one counts at once.
		l.nodes[0].Left(1, 22, true)
		after(500 * time.Millisecond)
		l.wants("online", "offline")
	})
}

func TestDropAndByeSoonAfter(t *testing.T) {
	onLAN(t, 3, func(l *lan) {
		l.friends()
		come(l.nodes[0].Tracker, 1, 10)
		time.Sleep(time.Second)
		l.nodes[0].Left(1, 10, false)
		time.Sleep(2 * time.Second)
		come(l.nodes[1].Tracker, 1, 20)
		time.Sleep(3500 * time.Millisecond)
		l.nodes[1].Left(1, 20, true) // within what would have been the grace of the first
		after(time.Second)
		l.wants("online", "offline")
	})
}

func TestDevicesOnSeveralNodes(t *testing.T) {
	onLAN(t, 3, func(l *lan) {
		l.friends()
		a, b := l.nodes[0], l.nodes[1]
		come(a.Tracker, 1, 10)
		a.Beat(1, 10, false)
		come(b.Tracker, 1, 20)
		b.Beat(1, 20, true)
		after(time.Second)
		if !slices.Equal(l.nodes[2].ear.words(13, 1), []string{"online"}) {
			t.Fatalf("n3 was told %v", l.nodes[2].ear.words(13, 1))
		}
		b.Beat(1, 20, false)
		after(time.Second)
		l.wants("online", "away")
		a.Beat(1, 10, true)
		after(time.Second)
		l.wants("online", "away", "online")
		a.Left(1, 10, true)
		after(time.Second)
		l.wants("online", "away", "online", "away")
		b.Left(1, 20, true)
		after(time.Second)
		l.wants("online", "away", "online", "away", "offline")
	})
}

// TestAwayIsKeptOverAMove: a user who was away and whose device changes nodes
// stays away until its heartbeat says otherwise.
func TestAwayIsKeptOverAMove(t *testing.T) {
	onLAN(t, 3, func(l *lan) {
		l.friends()
		a, b := l.nodes[0], l.nodes[1]
		come(a.Tracker, 1, 10)
		a.Beat(1, 10, false)
		after(time.Second)
		a.Left(1, 10, false)
		after(time.Second)
		come(b.Tracker, 1, 20)
		after(time.Second)
		l.wants("away")
		b.Beat(1, 20, true)
		after(time.Second)
		l.wants("away", "online")
	})
}

// TestVanishedIsOfflineWithin45: the client is gone right after a heartbeat, its
// socket stays open, and chat's sweep ends the session for its silence.
func TestVanishedIsOfflineWithin45(t *testing.T) {
	onLAN(t, 3, func(l *lan) {
		l.friends()
		a := l.nodes[0]
		come(a.Tracker, 1, 10)
		time.Sleep(17 * time.Second)
		a.Beat(1, 10, true)
		time.Sleep(chat.SilenceSeconds*time.Second + 2100*time.Millisecond) // the sweep comes every 2 s
		a.Left(1, 10, false)
		after(45*time.Second - chat.SilenceSeconds*time.Second - 2100*time.Millisecond)
		l.wants("online", "offline")
	})
}

// TestShortDropThatIsNotNoticed: 9 s without network, heartbeats late by that,
// the socket still the same.
func TestShortDropThatIsNotNoticed(t *testing.T) {
	if chat.SilenceSeconds < chat.HeartbeatSeconds+9+9 {
		t.Fatal("a heartbeat that the network resends after a drop of 9 s may come too late")
	}
}

func TestListenerWantsTidingsAndIsNotOnline(t *testing.T) {
	onLAN(t, 3, func(l *lan) {
		l.friends()
		stop := l.nodes[0].Listen(1)
		stop2 := l.nodes[0].Listen(1)
		after(50 * time.Millisecond)
		if got := l.nodes[1].nodesOf(1); !slices.Equal(got, []string{"n1"}) {
			t.Fatalf("n2 finds the listener on %v", got)
		}
		if live, _ := l.nodes[1].Liveness(1); live {
			t.Fatal("a listener is taken for a session")
		}
		stop()
		after(time.Second)
		if got := l.nodes[1].nodesOf(1); len(got) != 1 {
			t.Fatal("one of two listeners has gone, and none is known")
		}
		stop2()
		after(time.Second)
		if got := l.nodes[1].nodesOf(1); len(got) != 0 {
			t.Fatalf("n2 finds the listener on %v", got)
		}
		l.wants()
		if n := len(l.nodes[0].people); n != 1 { // the friend
			t.Fatalf("%d people stay in memory", n)
		}
	})
}

func TestLiveness(t *testing.T) {
	onLAN(t, 2, func(l *lan) {
		a, b := l.nodes[0], l.nodes[1]
		check := func(what string, live bool, atMost time.Duration) {
			t.Helper()
			for _, n := range l.nodes {
				if is, left := n.Liveness(1); is != live || left > atMost || (left == 0) != (atMost == 0) {
					t.Fatalf("%s: %s says %v, %v", what, n.name, is, left)
				}
			}
		}
		check("nobody", false, 0)
		come(a.Tracker, 1, 10)
		after(time.Second)
		check("here", true, 0)
		a.Left(1, 10, false)
		after(time.Second)
		check("dropped", false, 10*time.Second)
		come(b.Tracker, 1, 20)
		after(time.Second)
		check("back", true, 0)
		b.Left(1, 20, true)
		after(4 * time.Second)
		check("gone", false, 0)
	})
}

package presence

import (
	"slices"
	"testing"
	"time"

	"gori/chat"
)

func TestDeadNodesUsersAreInGrace(t *testing.T) {
	onLAN(t, 3, func(l *lan) {
		l.friends()
		a, b := l.nodes[0], l.nodes[1]
		come(a.Tracker, 1, 10)
		a.Beat(1, 10, true)
		after(time.Second)
		l.part(a, true) // kill -9
		if got := b.nodesOf(1); len(got) != 0 {
			t.Fatalf("n2 sends tidings to a dead node: %v", got)
		}
		if live, left := b.Liveness(1); live || left == 0 {
			t.Fatalf("a dead node's user: live %v, grace %v", live, left)
		}
		after(9 * time.Second)
		if got := b.ear.words(12, 1); !slices.Equal(got, []string{"online"}) {
			t.Fatalf("in grace n2 was told %v", got)
		}
		b.resume(1, 20)
		after(time.Minute)
		for _, n := range l.nodes[1:] {
			if got := n.ear.words(chat.UserID(11+n.at), 1); !slices.Equal(got, []string{"online"}) {
				t.Fatalf("%s was told %v", n.name, got)
			}
			// Who did not come back is offline.
			if n.sees(11) != "offline" {
				t.Fatalf("%s still sees a user of the dead node", n.name)
			}
			if s := n.Stats(); s.Behind != 0 || len(s.Nodes) != 1 {
				t.Fatalf("%s: %+v", n.name, s)
			}
		}
		b.Left(1, 20, true)
		after(time.Second)
		if got := b.ear.words(12, 1); !slices.Equal(got, []string{"online", "offline"}) {
			t.Fatalf("after bye n2 was told %v", got)
		}
	})
}

// TestDrainAndRestart: a node closes its sessions, they come back elsewhere, it
// says goodbye and its next run is back: nobody flickers.
func TestDrainAndRestart(t *testing.T) {
	onLAN(t, 3, func(l *lan) {
		l.friends()
		a := l.nodes[0]
		const users = 300
		for u := chat.UserID(1); u <= users; u++ {
			come(a.Tracker, 100+u, chat.SessionID(1000+u))
		}
		come(a.Tracker, 1, 10)
		a.Beat(1, 10, true)
		time.Sleep(20 * time.Second)
		for u := chat.UserID(1); u <= users; u++ {
			a.Left(100+u, chat.SessionID(1000+u), false)
			come(l.nodes[1+u%2].Tracker, 100+u, chat.SessionID(1000+u))
		}
		a.Left(1, 10, false)
		time.Sleep(3 * time.Second)
		a.stop()
		for _, o := range l.nodes[1:] {
			o.NodeGone(a.name)
		}
		time.Sleep(2 * time.Second)
		before := a.ear
		a.fresh()
		a.run()
		for _, o := range l.nodes[1:] {
			o.NodeJoined(a.name)
			a.NodeJoined(o.name)
		}
		time.Sleep(4 * time.Second)
		a.resume(1, 10)
		a.Beat(1, 10, true)
		after(time.Minute)
		for _, n := range l.nodes {
			for u := chat.UserID(1); u <= users; u += 7 {
				if n.sees(100+u) != "online" {
					t.Fatalf("%s does not see %d", n.name, 100+u)
				}
			}
		}
		if w := append(before.words(11, 1), l.nodes[1].ear.words(12, 1)...); !slices.Equal(w, []string{"online", "online"}) {
			t.Fatalf("told %v", w)
		}
	})
}

// TestFrozenNode: stopped for 30 s and thawed. What it believed when it stopped
// is no news: who has vanished meanwhile does not appear again, who came back
// elsewhere does not flicker, who is still there is seen there.
func TestFrozenNode(t *testing.T) {
	onLAN(t, 3, func(l *lan) {
		l.friends()
		a, b := l.nodes[0], l.nodes[1]
		const vanished, moved, stays = 1, 2, 3
		for u := chat.UserID(vanished); u <= stays; u++ {
			come(a.Tracker, u, chat.SessionID(100+u))
			a.Beat(u, chat.SessionID(100+u), true)
		}
		b.Befriended(12, []chat.UserID{vanished, moved, stays}, nil)
		after(time.Second)
		l.part(a, true)
		time.Sleep(4 * time.Second)
		b.resume(moved, 200)
		time.Sleep(20 * time.Second)
		l.heal(a, true)
		// What its sockets have held back is read at once.
		time.Sleep(100 * time.Millisecond)
		a.Left(moved, 100+moved, false)
		a.Beat(stays, 100+stays, true)
		a.Beat(11, 11, true)
		time.Sleep(2 * time.Second)
		if got := l.nodes[2].nodesOf(vanished); !slices.Equal(got, []string{"n1"}) {
			t.Fatalf("messages for a doubtful session go to %v", got) // it may be there after all
		}
		time.Sleep(15 * time.Second)
		a.Left(vanished, 100+vanished, false) // for its silence
		after(20 * time.Second)
		for u, want := range map[chat.UserID][]string{vanished: {"online", "offline"}, moved: {"online"}, stays: {"online", "offline", "online"}} {
			if got := b.ear.words(12, u); !slices.Equal(got, want) {
				t.Errorf("n2 was told of %d %v, want %v", u, got, want)
			}
		}
		// The frozen node's own people did not see what it slept over.
		if got := a.ear.words(11, vanished); !slices.Equal(got, []string{"online", "offline"}) {
			t.Errorf("n1 was told %v", got)
		}
		if s := a.Stats(); s.Thaws != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// TestCutAndHealed: two halves that cannot hear each other, for longer than
// grace; afterwards each knows what the other has.
func TestCutAndHealed(t *testing.T) {
	onLAN(t, 3, func(l *lan) {
		l.friends()
		a, c := l.nodes[0], l.nodes[2]
		come(a.Tracker, 1, 10)
		after(time.Second)
		l.part(a, false)
		time.Sleep(time.Minute)
		come(a.Tracker, 2, 20)
		come(c.Tracker, 3, 30)
		a.Left(1, 10, true)
		time.Sleep(time.Minute)
		l.heal(a, false)
		after(2 * time.Second)
		for _, n := range l.nodes {
			for u, want := range map[chat.UserID]string{1: "offline", 2: "online", 3: "online", 11: "online", 12: "online", 13: "online"} {
				if got := n.sees(u); got != want {
					t.Errorf("%s sees %d as %s", n.name, u, got)
				}
			}
			if s := n.Stats(); s.Behind != 0 || len(s.Nodes) != 2 {
				t.Errorf("%s: %+v", n.name, s)
			}
		}
	})
}

// TestAsymmetricCut: n2 does not hear n1, and no beat is missed by the mesh.
// What n1 says meanwhile is repaired by digests.
func TestAsymmetricCut(t *testing.T) {
	onLAN(t, 2, func(l *lan) {
		a, b := l.nodes[0], l.nodes[1]
		come(a.Tracker, 1, 10)
		time.Sleep(time.Second)
		l.mu.Lock()
		l.cut[[2]int{0, 1}] = true
		l.mu.Unlock()
		a.Left(1, 10, true)
		come(a.Tracker, 2, 20)
		time.Sleep(time.Second)
		l.mu.Lock()
		l.cut[[2]int{0, 1}] = false
		l.mu.Unlock()
		after(5 * time.Second)
		if b.sees(1) != "offline" || b.sees(2) != "online" || b.Stats().Repaired == 0 {
			t.Fatalf("n2 sees %s and %s: %+v", b.sees(1), b.sees(2), b.Stats())
		}
	})
}

package presence

import (
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"gori/chat"
)

func TestOnlineWithinTwoSeconds(t *testing.T) {
	bubble(t, func(tr *Tracker, e *ear, _ *fakeBeats) {
		friends(tr)
		arrive(tr, 10)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		eq(t, e.words(2, 1), "online")
	})
}

func TestNoFlickerForShortDrops(t *testing.T) {
	bubble(t, func(tr *Tracker, e *ear, _ *fakeBeats) {
		friends(tr)
		arrive(tr, 10)
		for s := chat.SessionID(10); s < 20; s++ {
			time.Sleep(20 * time.Second)
			tr.Beat(1, s, true)
			tr.Left(1, s, false)
			time.Sleep(9900 * time.Millisecond)
			arrive(tr, s+100)
			tr.Left(1, s+100, false)
			time.Sleep(time.Second)
			arrive(tr, s+1)
		}
		synctest.Wait()
		eq(t, e.words(2, 1), "online")
	})
}

func TestAwayStaysAwayOverADrop(t *testing.T) {
	bubble(t, func(tr *Tracker, e *ear, _ *fakeBeats) {
		friends(tr)
		arrive(tr, 10)
		time.Sleep(time.Second)
		tr.Beat(1, 10, false)
		time.Sleep(time.Second)
		tr.Left(1, 10, false)
		time.Sleep(5 * time.Second)
		arrive(tr, 11)
		time.Sleep(5 * time.Second)
		tr.Beat(1, 11, false)
		time.Sleep(time.Second)
		synctest.Wait()
		eq(t, e.words(2, 1), "online", "away")
	})
}

func TestDropIsOfflineAfterGrace(t *testing.T) {
	bubble(t, func(tr *Tracker, e *ear, b *fakeBeats) {
		friends(tr)
		arrive(tr, 10)
		time.Sleep(time.Minute)
		tr.Beat(1, 10, true)
		active := chat.MillisOf(time.Now())
		time.Sleep(time.Second)
		tr.Left(1, 10, false)
		time.Sleep(9 * time.Second)
		synctest.Wait()
		eq(t, e.words(2, 1), "online")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		eq(t, e.words(2, 1), "online", "offline")
		time.Sleep(2 * time.Second)
		if got := b.get(1); got != active {
			t.Fatalf("last_active_at saved as %d, want %d", got, active)
		}
	})
}

func TestSilenceIsOfflineWithoutMoreGrace(t *testing.T) {
	bubble(t, func(tr *Tracker, e *ear, _ *fakeBeats) {
		friends(tr)
		arrive(tr, 10)
		tr.Beat(1, 10, true)
		time.Sleep(44500 * time.Millisecond)
		tr.Left(1, 10, false) // by chat, for its silence
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		eq(t, e.words(2, 1), "online", "offline")
	})
}

func TestExplicitLeaveIsOfflineAtOnce(t *testing.T) {
	bubble(t, func(tr *Tracker, e *ear, _ *fakeBeats) {
		friends(tr)
		arrive(tr, 10)
		come(tr, 1, 11)
		time.Sleep(time.Second)
		tr.Left(1, 10, true)
		time.Sleep(time.Second)
		synctest.Wait()
		eq(t, e.words(2, 1), "online") // another device is there
		tr.Left(1, 11, true)
		time.Sleep(time.Second)
		synctest.Wait()
		eq(t, e.words(2, 1), "online", "offline")
		if users, sessions := tr.Here(); users != 1 || sessions != 1 {
			t.Fatalf("%d users with %d sessions are here, want 1 and 1", users, sessions)
		}
	})
}

// Another device that comes and says bye does not end the grace of the one that
// has dropped; that one's return does.
func TestAnotherDeviceDoesNotEndAGrace(t *testing.T) {
	bubble(t, func(tr *Tracker, e *ear, _ *fakeBeats) {
		friends(tr)
		arrive(tr, 10)
		tr.Beat(1, 10, true)
		time.Sleep(time.Second)
		tr.Left(1, 10, false)
		time.Sleep(2 * time.Second)
		tr.Arrived(1, 77, 11)
		time.Sleep(time.Second)
		tr.Left(1, 11, true)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		eq(t, e.words(2, 1), "online")
		come(tr, 1, 12)
		time.Sleep(time.Second)
		tr.Left(1, 12, true)
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		eq(t, e.words(2, 1), "online", "offline")
	})
}

func TestSeveralDevices(t *testing.T) {
	bubble(t, func(tr *Tracker, e *ear, _ *fakeBeats) {
		friends(tr)
		arrive(tr, 10)
		come(tr, 1, 11)
		tr.Beat(1, 10, true)
		tr.Beat(1, 11, false)
		time.Sleep(time.Second)
		tr.Beat(1, 10, false) // now all are idle
		time.Sleep(time.Second)
		tr.Beat(1, 11, true)
		time.Sleep(time.Second)
		// The phone drops and the desktop says bye within its grace: the phone may be back.
		tr.Left(1, 10, false)
		tr.Left(1, 11, true)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		eq(t, e.words(2, 1), "online", "away", "online", "away") // the phone was idle
		arrive(tr, 12)
		time.Sleep(time.Minute)
		tr.Left(1, 12, true)
		time.Sleep(time.Second)
		synctest.Wait()
		eq(t, e.words(2, 1), "online", "away", "online", "away", "offline")
	})
}

func TestWatchers(t *testing.T) {
	bubble(t, func(tr *Tracker, e *ear, b *fakeBeats) {
		b.at[3] = 77
		come(tr, 2, 20)
		states := tr.Watch(20, []chat.UserID{1, 2, 3})
		if len(states) != 3 || states[0].State != "offline" || states[1].State != "online" {
			t.Fatalf("states %+v", states)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if w := e.sessionWords(20, 3); len(w) != 1 || w[0].state.LastActiveAt != 77 || w[0].state.State != "offline" {
			t.Fatalf("of a stranger the watcher heard %+v", w)
		}
		come(tr, 1, 10)
		time.Sleep(time.Second)
		tr.Watch(20, nil)
		tr.Left(1, 10, true)
		time.Sleep(time.Second)
		synctest.Wait()
		if w := e.sessionWords(20, 1); len(w) != 1 || w[0].state.State != "online" {
			t.Fatalf("the watcher heard %+v", w)
		}
		if len(tr.watchers) != 0 {
			t.Fatalf("%d users are still watched", len(tr.watchers))
		}
	})
}

// TestAnsweredBetweenTwoChanges: who opens a channel just after someone came is
// told when that someone goes before anyone was told of the coming.
func TestAnsweredBetweenTwoChanges(t *testing.T) {
	bubble(t, func(tr *Tracker, e *ear, _ *fakeBeats) {
		come(tr, 2, 20)
		time.Sleep(time.Second)
		come(tr, 1, 10)
		if s := tr.Watch(20, []chat.UserID{1}); s[0].State != "online" {
			t.Fatalf("%+v", s)
		}
		tr.Left(1, 10, true)
		time.Sleep(time.Second)
		synctest.Wait()
		if w := e.sessionWords(20, 1); len(w) != 1 || w[0].state.State != "offline" {
			t.Fatalf("told %+v", w)
		}
	})
}

func TestLastActiveNeverGoesBackAndSurvivesAShardThatIsDown(t *testing.T) {
	bubble(t, func(tr *Tracker, _ *ear, b *fakeBeats) {
		arrive(tr, 10)
		tr.Beat(1, 10, true)
		time.Sleep(61 * time.Second)
		synctest.Wait()
		first := b.get(1)
		if first == 0 {
			t.Fatal("not saved within a minute")
		}
		b.mu.Lock()
		b.down = true
		b.mu.Unlock()
		tr.Beat(1, 10, true)
		want := chat.MillisOf(time.Now())
		tr.Left(1, 10, true)
		time.Sleep(30 * time.Second)
		if b.get(1) != first {
			t.Fatal("saved to a shard that is down")
		}
		b.mu.Lock()
		b.down = false
		b.mu.Unlock()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if got := b.get(1); got != want {
			t.Fatalf("saved %d, want %d", got, want)
		}
		if len(tr.people) != 0 {
			t.Fatalf("%d people stay in memory", len(tr.people))
		}
	})
}

// TestManyAreToldInBatches: a wave of connects costs its watchers few frames,
// saves come in bulk, and nothing stays behind.
func TestManyAreToldInBatches(t *testing.T) {
	const n = 700
	bubble(t, func(tr *Tracker, e *ear, b *fakeBeats) {
		all := make([]chat.UserID, n)
		for i := range all {
			all[i] = chat.UserID(i + 1)
		}
		for i, u := range all {
			come(tr, u, chat.SessionID(i+1))
			tr.Watch(chat.SessionID(i+1), all)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if e.calls > 1000 {
			t.Fatalf("%d frames made for one wave", e.calls)
		}
		for i, u := range all {
			tr.Left(u, chat.SessionID(i+1), true)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if b.most > MaxBatch || len(b.at) != n || b.saves > 2*n/MaxBatch+4 {
			t.Fatalf("%d saves of up to %d for %d people", b.saves, b.most, len(b.at))
		}
		if left := len(tr.people) + len(tr.watchers) + len(tr.users) + len(tr.dirty) + len(tr.unsaved); left != 0 {
			t.Fatalf("%d entries stay in memory", left)
		}
	})
}

func TestStates(t *testing.T) {
	bubble(t, func(tr *Tracker, _ *ear, b *fakeBeats) {
		b.at[7] = 5
		come(tr, 1, 10)
		got, err := tr.States(t.Context(), 2, []chat.UserID{1, 7, 8})
		if err != nil {
			t.Fatal(err)
		}
		m := map[chat.UserID]string{}
		for _, s := range got {
			m[s.User] = s.State
		}
		if !maps.Equal(m, map[chat.UserID]string{1: "online", 7: "offline", 8: "offline"}) || got[1].LastActiveAt != 5 {
			t.Fatalf("%+v", got)
		}
	})
}

package chat_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gori/chat"
)

// polled is how a long poll ended.
type polled struct {
	page chat.InboxPage
	err  error
	took time.Duration
}

// poll begins a long poll and waits until it waits, or has its answer.
func (w *world) poll(ctx context.Context, who chat.Identity, after chat.Pos, wait time.Duration) <-chan polled {
	out := make(chan polled, 1)
	begun := time.Now()
	go func() {
		page, _, err := w.svc.WaitInbox(ctx, who, after, 10, wait)
		out <- polled{page, err, time.Since(begun)}
	}()
	synctest.Wait()
	return out
}

func (w *world) pos(who chat.Identity) chat.Pos {
	w.Helper()
	page, _, err := w.svc.Inbox(w.ctx, who, 0, 500)
	w.must(err)
	return page.Pos
}

func TestLongPollAnswersAsSoonAsThereIsSomething(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "b")
		ch := w.group(u[0], u[1])
		if got := <-w.poll(w.ctx, u[1], 0, 25*time.Second); got.err != nil || len(got.page.Entries) != 1 || got.took != 0 {
			t.Fatalf("something is there already: %+v", got)
		}
		after := w.pos(u[1])
		answer := w.poll(w.ctx, u[1], after, 25*time.Second)
		if n := w.hub.Stats().Waits; n != 1 {
			t.Fatalf("%d wait", n)
		}
		time.Sleep(7 * time.Second)
		w.say(u[0], ch, "hello")
		synctest.Wait()
		got := <-answer
		if got.err != nil || len(got.page.Entries) != 1 || got.page.Entries[0].Preview != "hello" || got.page.Pos <= after || got.took != 7*time.Second {
			t.Fatalf("the answer is %+v", got)
		}
		got = <-w.poll(w.ctx, u[1], got.page.Pos, 25*time.Second)
		if got.err != nil || got.page.Entries == nil || len(got.page.Entries) != 0 || got.took != 25*time.Second {
			t.Fatalf("nothing happens: %+v", got)
		}
		if got = <-w.poll(w.ctx, u[1], got.page.Pos, time.Hour); got.took != chat.MaxInboxWait {
			t.Fatalf("the longest took %v", got.took)
		}
		if got = <-w.poll(w.ctx, u[1], 1<<40, 25*time.Second); got.took != 0 || got.page.Pos >= 1<<40 {
			t.Fatalf("a position from somewhere else: %+v", got)
		}
		if n := w.hub.Stats().Waits; n != 0 {
			t.Fatalf("%d wait", n)
		}
	})
}

func TestLongPollFindsWhatNobodyToldOf(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "b")
		ch := w.group(u[0], u[1])
		w.mem.OnInbox = nil // another node's news are lost
		answer := w.poll(w.ctx, u[1], w.pos(u[1]), 55*time.Second)
		w.say(u[0], ch, "unheard")
		got := <-answer
		if len(got.page.Entries) != 1 || got.took > 2500*time.Millisecond {
			t.Fatalf("right after the poll began: %+v", got)
		}
		answer = w.poll(w.ctx, u[1], got.page.Pos, 55*time.Second)
		time.Sleep(5 * time.Second)
		w.say(u[0], ch, "unheard again")
		if got = <-answer; len(got.page.Entries) != 1 || got.took > 15*time.Second {
			t.Fatalf("later: %+v", got)
		}
	})
}

func TestLongPollEndsWithTheLogin(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("admin", "a", "b")
		ch := w.group(u[1], u[2])
		after := w.pos(u[2])
		other, _, err := w.mem.CreateLogin(w.ctx, u[2].User, [32]byte{1}, "other")
		w.must(err)
		second := chat.Identity{User: u[2].User, Login: other}
		first, stays := w.poll(w.ctx, u[2], after, 55*time.Second), w.poll(w.ctx, second, after, 55*time.Second)
		time.Sleep(time.Second)
		w.must(w.people.RevokeLogin(w.ctx, second, u[2].Login))
		w.say(u[1], ch, "not for the first")
		got := <-first
		w.wantCode(got.err, chat.CodeUnauthenticated)
		if got.took != time.Second || len(got.page.Entries) != 0 {
			t.Fatalf("the answer is %+v", got)
		}
		if got = <-stays; got.err != nil || len(got.page.Entries) != 1 {
			t.Fatalf("the other login is answered %+v", got)
		}
		// One that was authenticated a moment before finds the door shut.
		w.wantCode((<-w.poll(w.ctx, u[2], 0, 55*time.Second)).err, chat.CodeUnauthenticated)
		answer := w.poll(w.ctx, second, got.page.Pos, 55*time.Second)
		w.must(w.people.SetDisabled(w.ctx, u[0], u[2].User, true))
		w.wantCode((<-answer).err, chat.CodeUnauthenticated)
	})
}

func TestLongPollEndsWithTheNodeOrTheClient(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "b")
		w.group(u[0], u[1])
		after := w.pos(u[1])
		ctx, gone := context.WithCancel(w.ctx)
		answer := w.poll(ctx, u[1], after, 55*time.Second)
		gone()
		<-answer
		if n := w.hub.Stats().Waits; n != 0 {
			t.Fatalf("%d wait after the client has gone", n)
		}
		answer = w.poll(w.ctx, u[1], after, 55*time.Second)
		time.Sleep(time.Second)
		w.hub.Drain(w.ctx, 0)
		if got := <-answer; got.err != nil || len(got.page.Entries) != 0 || got.page.Pos != after || got.took != time.Second {
			t.Fatalf("the answer is %+v", got)
		}
		w.wantCode((<-w.poll(w.ctx, u[1], after, 55*time.Second)).err, chat.CodeDraining)
		if got := <-w.poll(w.ctx, u[1], 0, 55*time.Second); got.err != nil || len(got.page.Entries) != 1 {
			t.Fatalf("what is there already: %+v", got)
		}
	})
}

func TestLongPollsAreBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "b")
		var answers []<-chan polled
		for range 8 {
			answers = append(answers, w.poll(w.ctx, u[0], w.pos(u[0]), time.Second))
		}
		err := (<-w.poll(w.ctx, u[0], 0, time.Second)).err
		w.wantCode(err, chat.CodeOverloaded)
		if e := chat.ErrorOf(err); !e.Retry || e.After == 0 {
			t.Errorf("%+v does not say when to come back", e)
		}
		answers = append(answers, w.poll(w.ctx, u[1], w.pos(u[1]), time.Second))
		for _, a := range answers {
			w.must((<-a).err)
		}
		_, _, err = w.svc.WaitInbox(w.ctx, u[0], 0, 501, time.Second)
		w.wantCode(err, chat.CodeBadRequest)
	})
}

// A message is never between the read and the wait: in a bubble time goes on
// only when everybody waits, so a wake-up that is lost costs time.
func TestLongPollMissesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "b")
		ch := w.group(u[0], u[1])
		after := w.pos(u[1])
		const rounds = 500
		begun := time.Now()
		seen := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range rounds {
				w.say(u[0], ch, fmt.Sprint(i))
				<-seen
			}
		})
		for range rounds {
			page, _, err := w.svc.WaitInbox(w.ctx, u[1], after, 10, 50*time.Second)
			w.must(err)
			after = page.Pos
			seen <- struct{}{}
		}
		wg.Wait()
		if slept := time.Since(begun); slept > 0 {
			t.Errorf("%v were slept through", slept)
		}
	})
}

// interest counts who is listened for.
type interest struct {
	mu  sync.Mutex
	now map[chat.UserID]int
}

func (i *interest) Listen(user chat.UserID) func() {
	i.add(user, 1)
	return func() { i.add(user, -1) }
}

func (i *interest) of(user chat.UserID) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.now[user]
}

func (i *interest) add(user chat.UserID, n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now[user] += n
}

func TestLongPollIsToldToOtherNodes(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a")
		i := &interest{now: map[chat.UserID]int{}}
		w.svc.SetInterest(i)
		answer := w.poll(w.ctx, u[0], 0, time.Second)
		if i.of(u[0].User) != 1 {
			t.Error("nobody listens")
		}
		<-answer
		if i.of(u[0].User) != 0 {
			t.Error("it listens still")
		}
	})
}

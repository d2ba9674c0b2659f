package chat_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"gori/chat"
)

// tape is a Relay that remembers.
type tape struct {
	mu      sync.Mutex
	tidings []chat.Tiding
}

func (t *tape) ToUsers(_ []chat.UserID, td chat.Tiding) { t.ToAll(td) }

func (t *tape) ToAll(td chat.Tiding) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tidings = append(t.tidings, td)
}

func (t *tape) take() []chat.Tiding {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.tidings
	t.tidings = nil
	return out
}

func TestOneDrainIsOneTiding(t *testing.T) {
	inWorld(t, func(w *world) {
		relay := &tape{}
		w.svc.SetRelay(relay)
		u := w.users("a", "b", "c")
		ch := w.group(u[0], u[1], u[2])
		time.Sleep(time.Second)
		d := w.connect(u[0])
		time.Sleep(time.Second)
		relay.take()
		w.mem.BeforeAppend = func([]chat.Draft) error {
			time.Sleep(20 * time.Millisecond)
			return nil
		}
		for range 40 {
			d.send(ch, "x")
		}
		time.Sleep(time.Second)
		counts := map[chat.TidingKind]int{}
		for _, td := range relay.take() {
			counts[td.Kind]++
		}
		// The first, and all that came while it was stored.
		if counts[chat.TidingFrames] > 2 || counts[chat.TidingInbox] > 1 || len(counts) != 2 {
			t.Fatalf("40 messages at once left as tidings %v", counts)
		}
	})
}

// FuzzHeard: whatever another node says, this one goes on.
func FuzzHeard(f *testing.F) {
	w := newWorld(f)
	relay := &tape{}
	w.svc.SetRelay(relay)
	u := w.users("a", "b")
	ch := w.group(u[0], u[1])
	w.say(u[0], ch, "hello")
	_ = w.svc.Typing(w.ctx, u[0], ch, 0)
	_, _ = w.svc.Befriend(w.ctx, u[0], u[1].User)
	_ = w.people.RevokeLogins(w.ctx, u[1], 4242)
	_, _ = w.svc.Govern(w.ctx, u[0], chat.Governance{Kind: chat.GovernRemove, Channel: ch, Users: []chat.UserID{u[1].User}})
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = w.svc.Run(ctx) })
	stop()
	wg.Wait()
	for _, td := range relay.take() {
		f.Add(uint8(td.Kind), int64(u[1].User), td.Body)
	}
	f.Add(uint8(200), int64(-1), []byte{1})
	f.Fuzz(func(_ *testing.T, kind uint8, user int64, body []byte) {
		w.svc.Heard([]chat.UserID{chat.UserID(user)}, chat.Tiding{Kind: chat.TidingKind(kind), Body: body})
		w.svc.Missed()
	})
}

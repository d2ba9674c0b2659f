package chat_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"gori/chat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRemovalIsAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("owner", "b", "c")
		ch := w.group(u[0], u[1], u[2])
		b, c := w.connect(u[1]), w.connect(u[2])
		for _, d := range []*device{b, c} {
			d.say(`{"op":"open","channel":"%d"}`, ch)
		}
		synctest.Wait()
		b.one("presence")
		if n := len(w.crowd.watched[b.s.ID()]); n != 3 {
			t.Fatalf("b watches %d people", n)
		}
		goOn := b.stall()
		w.say(u[0], ch, "being written") // taken from the queue, stuck in the write
		synctest.Wait()
		w.say(u[0], ch, "still queued")
		synctest.Wait()
		_, err := w.svc.Govern(w.ctx, u[0], chat.Governance{Kind: chat.GovernRemove, Channel: ch, Users: []chat.UserID{u[1].User}})
		w.must(err)
		goOn()
		w.say(u[0], ch, "after")
		time.Sleep(time.Second)
		synctest.Wait()
		for _, f := range b.take("msg", "change", "channel") {
			if f.get("message", "body") != "being written" {
				t.Errorf("after the removal came %v", f)
			}
		}
		if e := b.one("inbox")["entries"].([]any)[0].(map[string]any); e["member"] != false || e["preview"] != nil {
			t.Errorf("inbox of the removed one: %v", e)
		}
		if w.crowd.watched[b.s.ID()] != nil {
			t.Error("the removed one still watches the people of the channel")
		}
		b.say(`{"op":"typing","channel":"%d"}`, ch)
		b.say(`{"op":"open","channel":"%d"}`, ch)
		b.say(`{"op":"read","channel":"%d","seq":1}`, ch)
		b.send(ch, "hello?")
		synctest.Wait()
		if n := b.take("nack"); len(n) != 4 {
			t.Errorf("%d nacks: %v", len(n), n)
		}
		c.none("typing")
		if got := c.take("msg"); len(got) != 4 { // the removal's own message is one
			t.Errorf("c got %d messages", len(got))
		}
		if f := c.one("channel"); f.num("channel", "member_count") != 2 || f.get("channel", "role") != nil {
			t.Errorf("channel frame is %v", f)
		}
	})
}

func TestRevocationClosesSessions(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.user("a")
		id, _, err := w.mem.CreateLogin(w.ctx, a.User, [32]byte{1}, "other")
		w.must(err)
		other := chat.Identity{User: a.User, Login: id}
		d1, d2 := w.connect(a), w.connect(other)
		w.must(w.people.RevokeLogin(w.ctx, a, id))
		synctest.Wait()
		if d2.closedWith() != chat.CloseRevoked || d1.closedWith() != 0 {
			t.Fatalf("closed with %d and %d", d2.closedWith(), d1.closedWith())
		}
		late := w.dial(other) // was authenticated just before
		synctest.Wait()
		if late.closedWith() != chat.CloseRevoked {
			t.Fatalf("a late connection was closed with %d", late.closedWith())
		}
	})
}

func TestTooManySessionsOfOneUser(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.user("a")
		first := w.connect(a)
		for range chat.MaxSessionsPerUser - 1 {
			w.connect(a)
		}
		if first.closedWith() != 0 {
			t.Fatal("closed too early")
		}
		w.connect(a)
		synctest.Wait()
		if first.closedWith() != chat.CloseReplaced {
			t.Fatalf("the oldest was closed with %d", first.closedWith())
		}
		if st := w.hub.Stats(); st.Sessions != chat.MaxSessionsPerUser || st.Users != 1 {
			t.Fatalf("stats are %+v", st)
		}
	})
}

func TestDrain(t *testing.T) {
	inWorld(t, func(w *world) {
		var all []*device
		for i := range 20 {
			all = append(all, w.connect(w.user(fmt.Sprint("user", i))))
		}
		start := time.Now()
		w.hub.Drain(w.ctx, 10*time.Second)
		synctest.Wait()
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("draining took %v", took)
		}
		for _, d := range all {
			if d.closedWith() != chat.CloseDrain {
				t.Fatalf("closed with %d", d.closedWith())
			}
		}
		late := w.dial(w.user("late"))
		synctest.Wait()
		if late.closedWith() != chat.CloseDrain {
			t.Fatalf("a late one was closed with %d", late.closedWith())
		}
	})
}

func TestTypingIsPassedOnSeldom(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "b", "outsider")
		ch := w.group(u[0], u[1])
		a, b, out := w.connect(u[0]), w.connect(u[1]), w.connect(u[2])
		for range 20 {
			a.say(`{"op":"typing","channel":"%d"}`, ch)
			out.say(`{"op":"typing","channel":"%d"}`, ch)
			time.Sleep(500 * time.Millisecond)
		}
		synctest.Wait()
		if n := len(b.take("typing")); n != 4 {
			t.Fatalf("%d typing frames in 10 s, want 4", n)
		}
		a.none("typing")
		if n := out.take("nack"); len(n) != 4 || n[0].get("code") != string(chat.CodeNotMember) {
			t.Fatalf("the outsider got %v", n)
		}
	})
}

func TestBigChannelsTellOnlyThoseWhoLook(t *testing.T) {
	inWorld(t, func(w *world) {
		var u []chat.Identity
		for i := range 12 {
			u = append(u, w.user(fmt.Sprint("user", i)))
		}
		ch := w.group(u[0], u[1:]...)
		w.say(u[0], ch, "hi")
		looks, elsewhere, reads := w.connect(u[1]), w.connect(u[2]), w.connect(u[3])
		looks.say(`{"op":"open","channel":"%d"}`, ch)
		synctest.Wait()
		reads.say(`{"op":"read","channel":"%d","seq":2}`, ch)
		reads.say(`{"op":"typing","channel":"%d"}`, ch)
		time.Sleep(time.Second)
		synctest.Wait()
		looks.one("read")
		looks.one("typing")
		elsewhere.none("read")
		elsewhere.none("typing")
		looks.say(`{"op":"open","channel":"0"}`)
		synctest.Wait()
		reads.say(`{"op":"read","channel":"%d","seq":2}`, ch)
		time.Sleep(time.Second)
		synctest.Wait()
		looks.none("read")
	})
}

func TestFriendsAndProfilesAreTold(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "b")
		a, b := w.connect(u[0]), w.connect(u[1])
		f, err := w.svc.Befriend(w.ctx, u[0], u[1].User)
		w.must(err)
		synctest.Wait()
		if f.State != chat.FriendSent || a.one("friend").get("friend", "state") != "sent" || b.one("friend").get("friend", "state") != "received" {
			t.Fatal("a request was not told right")
		}
		_, err = w.svc.Befriend(w.ctx, u[1], u[0].User)
		w.must(err)
		synctest.Wait()
		if got := a.one("friend"); got.get("friend", "state") != "accepted" || got.get("user", "display_name") != "b" {
			t.Fatalf("acceptance was told as %v", got)
		}
		if len(w.crowd.friends[u[0].User]) != 1 {
			t.Fatal("presence was not told of the new friend")
		}
		b.take()
		name := "새 이름"
		_, err = w.people.EditProfile(w.ctx, u[0], chat.ProfileEdit{DisplayName: &name})
		w.must(err)
		synctest.Wait()
		if b.one("user").get("user", "display_name") != name || a.one("user").get("user", "display_name") != name {
			t.Fatal("the new name was not told")
		}
		w.must(w.svc.Block(w.ctx, u[1], u[0].User))
		synctest.Wait()
		if a.one("friend").get("friend", "state") != "none" || b.one("friend").get("friend", "state") != "blocked" {
			t.Fatal("a block was not told right")
		}
	})
}

// shuffledLog lets appends end in another order than they were committed.
type shuffledLog struct {
	chat.Log
	mu   sync.Mutex
	wait []time.Duration
}

func (l *shuffledLog) Append(ctx context.Context, drafts ...chat.Draft) ([]chat.Receipt, error) {
	r, err := l.Log.Append(ctx, drafts...)
	l.mu.Lock()
	var d time.Duration
	if len(l.wait) > 0 {
		d, l.wait = l.wait[0], l.wait[1:]
	}
	l.mu.Unlock()
	time.Sleep(d)
	return r, err
}

func TestDeliveryIsInSeqOrder(t *testing.T) {
	var log *shuffledLog
	inWorld(t, func(w *world) {
		u := w.users("a", "b", "c", "d")
		ch := w.group(u[0], u[1:]...)
		d := w.connect(u[3])
		for round := range 10 {
			log.mu.Lock()
			for i := range 6 {
				log.wait = append(log.wait, time.Duration((round*7+i*5)%6)*time.Millisecond)
			}
			log.mu.Unlock()
			var wg sync.WaitGroup
			for i := range 6 {
				wg.Go(func() { w.say(u[i%3], ch, "x") })
			}
			wg.Wait()
		}
		synctest.Wait()
		got := d.take("msg")
		if len(got) != 60 {
			t.Fatalf("%d messages", len(got))
		}
		for i, f := range got {
			if f.num("message", "seq") != i+2 {
				t.Fatalf("message %d came as number %d", f.num("message", "seq"), i)
			}
		}
		// One that is late for long does not hold the others up.
		log.mu.Lock()
		log.wait = []time.Duration{time.Second}
		log.mu.Unlock()
		var wg sync.WaitGroup
		wg.Go(func() { w.say(u[0], ch, "late") })
		time.Sleep(time.Millisecond)
		w.say(u[1], ch, "early")
		time.Sleep(50 * time.Millisecond)
		if f := d.one("msg"); f.get("message", "body") != "early" {
			t.Fatalf("came %v", f)
		}
		wg.Wait()
		synctest.Wait()
		if f := d.one("msg"); f.get("message", "body") != "late" {
			t.Fatalf("came %v", f)
		}
	}, func(d *chat.Deps) {
		log = &shuffledLog{Log: d.Log}
		d.Log = log
	})
}

func TestInboxFramesAreFewAndTellAPosWithNothingMissing(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "b")
		ch := w.group(u[0], u[1])
		b := w.connect(u[1])
		top := 0
		for i := range 400 {
			w.say(u[0], ch, fmt.Sprint(i))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		frames := b.take("inbox")
		if len(frames) > 20 {
			t.Fatalf("%d inbox frames in 4 s", len(frames))
		}
		for _, f := range frames {
			e := f["entries"].([]any)[0].(map[string]any)
			pos := int(e["pos"].(float64))
			if pos <= top {
				t.Fatalf("entry pos %d after %d", pos, top)
			}
			top = pos
			if f.num("pos") != pos {
				t.Fatalf("the frame tells pos %d, its entry has %d and nothing is missing", f.num("pos"), pos)
			}
		}
		if page, err := w.mem.Inbox(w.ctx, u[1].User, 0, 10); err != nil || int(page.Pos) != top {
			t.Fatalf("the inbox is at %d, the device at %d (%v)", page.Pos, top, err)
		}
	})
}

func TestStartStop(t *testing.T) {
	for range 20 {
		w := newWorld(t)
		ctx, stop := context.WithCancel(t.Context())
		w.ctx = ctx
		var wg sync.WaitGroup
		wg.Go(func() { _ = w.svc.Run(ctx) })
		u := w.users("a", "b", "c")
		ch := w.group(u[0], u[1], u[2])
		for i := range 30 {
			wg.Go(func() {
				d := w.dial(u[i%3])
				d.say(`{"op":"resume","v":1,"pos":0}`)
				for range i {
					d.send(ch, "x")
					d.say(`{"op":"typing","channel":"%d"}`, ch)
					d.say(`{"op":"open","channel":"%d"}`, ch)
				}
				switch i % 4 {
				case 0:
					d.cut()
				case 1:
					d.say(`{"op":"bye"}`)
				case 2:
					w.hub.CloseUser(u[i%3].User, chat.CloseRevoked, "test")
				}
			})
		}
		wg.Go(func() { w.hub.Drain(ctx, time.Millisecond); stop() })
		wg.Wait()
		w.hangUp()
		if st := w.hub.Stats(); st.Sessions != 0 || st.Users != 0 {
			t.Fatalf("left behind: %+v", st)
		}
	}
}

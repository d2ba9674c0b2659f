package chat_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gori/chat"
)

func TestPeopleChat(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("min", "jun")
		c, err := w.svc.OpenDirect(w.ctx, u[0], u[1].User)
		w.must(err)
		min, jun := w.connect(u[0]), w.connect(u[1])
		id := min.send(c.ID, "안녕")
		synctest.Wait()
		ack := min.one("ack")
		if ack.get("client_msg_id") != id.String() || ack.num("seq") != 1 || ack.num("n") != 1 || ack.get("dup") != nil {
			t.Fatalf("ack is %v", ack)
		}
		for _, d := range []*device{min, jun} {
			if m := d.one("msg"); m.get("message", "body") != "안녕" || m.get("message", "client_msg_id") != id.String() {
				t.Fatalf("msg is %v", m)
			}
		}
		jun.none("inbox")
		time.Sleep(300 * time.Millisecond)
		synctest.Wait()
		in := jun.one("inbox")
		e := in["entries"].([]any)[0].(map[string]any)
		if e["last_n"] != 1.0 || e["read_n"] != 0.0 || e["preview"] != "안녕" {
			t.Fatalf("inbox is %v", in)
		}
		jun.say(`{"op":"read","channel":"%d","seq":1}`, c.ID)
		time.Sleep(600 * time.Millisecond)
		synctest.Wait()
		if r := min.one("read"); r.num("seq") != 1 || r.get("user") != u[1].User.String() {
			t.Fatalf("read is %v", r)
		}
		jun.none("read")
		if e := jun.one("inbox")["entries"].([]any)[0].(map[string]any); e["read_n"] != 1.0 {
			t.Fatalf("own inbox entry after reading is %v", e)
		}
	})
}

func TestSendTwiceIsDeliveredOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "b")
		ch := w.group(u[0], u[1])
		a, b := w.connect(u[0]), w.connect(u[1])
		for range 2 {
			a.say(`{"op":"send","channel":"%d","client_msg_id":"01900000-0000-7000-8000-00000000ffff","body":"once"}`, ch)
			synctest.Wait()
		}
		acks := a.take("ack")
		if len(acks) != 2 || acks[0].num("seq") != 2 || acks[1].num("seq") != 2 || acks[1].get("dup") != true {
			t.Fatalf("acks are %v", acks)
		}
		b.one("msg")
		a.say(`{"op":"send","channel":"%d","client_msg_id":"01900000-0000-7000-8000-00000000ffff","body":"twice"}`, ch)
		synctest.Wait()
		if n := a.one("nack"); n.get("code") != string(chat.CodeIDReused) || n.get("retry") != false {
			t.Fatalf("nack is %v", n)
		}
		b.none("msg")
	})
}

func TestTwoDevicesConverge(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "b")
		ch := w.group(u[0], u[1])
		phone, laptop := w.connect(u[1]), w.connect(u[1])
		a := w.connect(u[0])
		for i := range 30 {
			a.send(ch, fmt.Sprint(i))
			if i == 10 {
				phone.cut()
			}
		}
		time.Sleep(time.Second)
		phone = w.connect(u[1]) // asks anew; the inbox tells what it misses
		laptop.say(`{"op":"read","channel":"%d","seq":20}`, ch)
		time.Sleep(time.Second)
		synctest.Wait()
		last := func(d *device) (e map[string]any) {
			for _, f := range d.take("inbox") {
				e = f["entries"].([]any)[0].(map[string]any)
			}
			return e
		}
		p, l := last(phone), last(laptop)
		if fmt.Sprint(p) != fmt.Sprint(l) || p["read_seq"] != 20.0 || p["last_seq"] != 31.0 {
			t.Fatalf("phone has %v\nlaptop has %v", p, l)
		}
		if got := laptop.take("msg"); len(got) != 30 {
			t.Fatalf("laptop got %d messages live", len(got))
		}
	})
}

// slowInbox lets a test hold the reading of inboxes.
type slowInbox struct {
	chat.Inboxes
	gate chan struct{}
}

func (s *slowInbox) Home(ctx context.Context, u chat.UserID, after chat.Pos, limit int) (chat.Home, error) {
	home, err := s.Inboxes.Home(ctx, u, after, limit)
	<-s.gate
	return home, err
}

func TestResumeReleasesWhatCameMeanwhile(t *testing.T) {
	var gate chan struct{} // made inside the bubble
	inWorld(t, func(w *world) {
		u := w.users("a", "b")
		ch := w.group(u[0], u[1])
		d := w.dial(u[1])
		d.say(`{"op":"resume","v":1,"pos":0}`)
		synctest.Wait() // it has read its inbox and waits to answer
		w.say(u[0], ch, "in between")
		synctest.Wait()
		if got := d.take(); len(got) != 0 {
			t.Fatalf("before the answer came %v", got)
		}
		gate <- struct{}{}
		synctest.Wait()
		got := d.take()
		if len(got) != 2 || got[0]["op"] != "resumed" || got[1].get("message", "body") != "in between" {
			t.Fatalf("after the answer came %v", got)
		}
		r := got[0]
		if r.get("me", "id") != u[1].User.String() || r.get("node") != "n1" || r.num("limits", "heartbeat_s") != 17 || r.get("more") != false {
			t.Fatalf("resumed is %v", r)
		}
	}, func(d *chat.Deps) {
		gate = make(chan struct{})
		d.Inboxes = &slowInbox{d.Inboxes, gate}
	})
}

func TestSlowSessionIsClosedAndOthersGoOn(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "slow", "c")
		ch := w.group(u[0], u[1], u[2])
		slow, fine := w.connect(u[1]), w.connect(u[2])
		goOn := slow.stall()
		for i := range chat.MaxQueuedFrames + 100 {
			w.say(u[0], ch, fmt.Sprint(i))
			if i%200 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		if code := slow.closedWith(); code != chat.CloseSlow {
			t.Fatalf("the slow session was closed with %d", code)
		}
		if n := len(fine.take("msg")); n != chat.MaxQueuedFrames+100 {
			t.Fatalf("the other one got %d messages", n)
		}
		if n := w.hub.Stats().Dropped["full_frames"]; n != 1 {
			t.Fatalf("%d drops by full_frames", n)
		}
		goOn()
		back := w.connect(u[1])
		back.none("msg") // it resumes from its inbox
	})
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "slow")
		ch := w.group(u[0], u[1])
		slow := w.connect(u[1])
		defer slow.stall()()
		big := strings.Repeat("x", 99_000)
		for range 60 {
			w.say(u[0], ch, big)
		}
		synctest.Wait()
		if code := slow.closedWith(); code != chat.CloseSlow {
			t.Fatalf("closed with %d", code)
		}
		if n := w.hub.Stats().Dropped["full_bytes"]; n != 1 {
			t.Fatalf("%d drops by full_bytes", n)
		}
	})
}

func TestLightFramesAreDroppedFirst(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "slow")
		ch := w.group(u[0], u[1])
		slow := w.connect(u[1])
		goOn := slow.stall()
		for range chat.MaxQueuedFrames/2 + 1 {
			w.say(u[0], ch, "x")
		}
		synctest.Wait()
		w.hub.Send([]chat.UserID{u[1].User}, []byte(`{"op":"presence","states":[]}`))
		if n := w.hub.Stats().Dropped["light"]; n != 1 {
			t.Fatalf("%d drops of light frames", n)
		}
		goOn()
		synctest.Wait()
		slow.none("presence")
		if slow.closedWith() != 0 || len(slow.take("msg")) != chat.MaxQueuedFrames/2+1 {
			t.Fatal("the session did not live on with all its messages")
		}
		w.hub.Send([]chat.UserID{u[1].User}, []byte(`{"op":"presence","states":[]}`))
		synctest.Wait()
		slow.one("presence")
	})
}

func TestPipelinedSendsKeepTheirOrder(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "b")
		one, two := w.group(u[0], u[1]), w.group(u[0], u[1])
		a, b := w.connect(u[0]), w.connect(u[1])
		const n = 300
		for i := range n {
			a.send(one, fmt.Sprint(i))
			a.send(two, fmt.Sprint(i))
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if acks := a.take("ack"); len(acks) != 2*n {
			t.Fatalf("%d acks", len(acks))
		}
		next := map[any]int{}
		for _, f := range b.take("msg") {
			ch := f.get("message", "channel")
			if f.get("message", "body") != fmt.Sprint(next[ch]) || f.num("message", "seq") != next[ch]+2 {
				t.Fatalf("message %v came as number %d of its channel", f["message"], next[ch])
			}
			next[ch]++
		}
		if next[one.String()] != n || next[two.String()] != n {
			t.Fatalf("messages per channel: %v", next)
		}
	})
}

func TestOneBadDraftHurtsNoOther(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "b")
		ch := w.group(u[0], u[1])
		a := w.connect(u[0])
		hold := make(chan struct{})
		var once sync.Once
		w.mem.BeforeAppend = func([]chat.Draft) error {
			once.Do(func() { <-hold })
			return nil
		}
		a.send(ch, "first") // the others wait behind it and become one append
		synctest.Wait()
		a.send(ch, "good")
		a.say(`{"op":"send","channel":"%d","client_msg_id":"%s","body":"bad","reply_to":99}`, ch, w.key())
		a.send(ch, "good too")
		synctest.Wait()
		close(hold)
		synctest.Wait()
		if acks := a.take("ack"); len(acks) != 3 || acks[2].num("seq") != 4 {
			t.Fatalf("acks are %v", acks)
		}
		if n := a.one("nack"); n.get("code") != string(chat.CodeNotFound) || n.get("client_msg_id") == nil {
			t.Fatalf("nack is %v", n)
		}
	})
}

func TestSilenceEndsASession(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "b")
		quiet, alive := w.connect(u[0]), w.connect(u[1])
		for range 8 {
			time.Sleep(17 * time.Second)
			alive.say(`{"op":"ping","active":true}`)
		}
		synctest.Wait()
		if code := quiet.closedWith(); code != chat.CloseSilent {
			t.Fatalf("the quiet one was closed with %d", code)
		}
		if alive.closedWith() != 0 || len(alive.take("pong")) != 8 {
			t.Fatal("the one that pings is gone, or its pongs are")
		}
		if w.crowd.beats[alive.s.ID()] != 8 {
			t.Fatalf("%d beats were passed on", w.crowd.beats[alive.s.ID()])
		}
		if explicit, left := w.crowd.left[quiet.s.ID()]; !left || explicit {
			t.Fatal("attendance did not hear of the end of the quiet one")
		}
		never := w.dial(u[0])
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if code := never.closedWith(); code != chat.CloseSilent {
			t.Fatalf("the one that never resumed was closed with %d", code)
		}
	})
}

func TestByeIsExplicit(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.user("a")
		d := w.connect(u)
		d.say(`{"op":"bye"}`)
		synctest.Wait()
		if d.closedWith() != chat.CloseNormal || !w.crowd.left[d.s.ID()] {
			t.Fatalf("closed with %d, explicit %t", d.closedWith(), w.crowd.left[d.s.ID()])
		}
	})
}

func TestGarbageEndsASession(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.user("a")
		for _, first := range []string{`{"op":"ping"}`, `nonsense`, `{"op":"resume","v":1,"pos":0,"extra":1}`, `{"op":"resume","v":1,"pos":-1}`} {
			d := w.dial(u)
			d.say("%s", first)
			synctest.Wait()
			if d.closedWith() != chat.CloseGarbage {
				t.Errorf("after %s: closed with %d", first, d.closedWith())
			}
		}
		old := w.dial(u)
		old.say(`{"op":"resume","v":2,"pos":0}`)
		synctest.Wait()
		if old.closedWith() != chat.CloseUnsupported {
			t.Errorf("version 2: closed with %d", old.closedWith())
		}
		d := w.connect(u)
		for range chat.MaxBadFrames {
			d.say(`{"op":"dance"}`)
		}
		synctest.Wait()
		if n := d.take("nack"); len(n) != chat.MaxBadFrames || n[0].get("code") != string(chat.CodeUnknownOp) || d.closedWith() != 0 {
			t.Fatalf("%d nacks, closed with %d", len(n), d.closedWith())
		}
		d.say(`{"op":"dance"}`)
		synctest.Wait()
		if d.closedWith() != chat.CloseGarbage {
			t.Fatalf("after too many: closed with %d", d.closedWith())
		}
	})
}

func TestBadFramesAreForgiven(t *testing.T) {
	inWorld(t, func(w *world) {
		d := w.connect(w.user("a"))
		for range 5 {
			for range chat.MaxBadFrames / 2 {
				d.say(`{"op":"dance"}`)
			}
			time.Sleep(31 * time.Second)
			d.say(`{"op":"ping"}`)
		}
		synctest.Wait()
		if d.closedWith() != 0 {
			t.Fatalf("closed with %d", d.closedWith())
		}
	})
}

func TestFloodIsReadSlowly(t *testing.T) {
	inWorld(t, func(w *world) {
		d := w.connect(w.user("a"))
		start := time.Now()
		for range 1000 {
			d.say(`{"op":"ping"}`)
		}
		for len(d.in) > 0 {
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(start); took < 2500*time.Millisecond || took > 4*time.Second {
			t.Fatalf("1000 frames were read in %v, want about 3 s", took)
		}
	})
}

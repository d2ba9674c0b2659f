package chat_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"gori/chat"
)

// slowLog takes its time to store messages.
type slowLog struct {
	chat.Log
	takes time.Duration
}

func (l *slowLog) Append(ctx context.Context, drafts ...chat.Draft) ([]chat.Receipt, error) {
	time.Sleep(l.takes) // the fake clock's
	return l.Log.Append(ctx, drafts...)
}

// What was taken before the drain is answered before the session is closed;
// what comes after is not taken, and nobody is told that it was.
func TestDrainAnswersWhatItHasTaken(t *testing.T) {
	var log *slowLog
	inWorld(t, func(w *world) {
		u := w.users("a", "b")
		ch := w.group(u[0], u[1])
		a, idle := w.connect(u[0]), w.connect(u[1])
		log.takes = time.Second
		id := a.send(ch, "taken")
		synctest.Wait()
		done := make(chan struct{})
		go func() { w.hub.Drain(w.ctx, 0); close(done) }()
		synctest.Wait()
		if idle.closedWith() != chat.CloseDrain {
			t.Errorf("who owes nothing was closed with %d", idle.closedWith())
		}
		late := a.send(ch, "too late")
		<-done
		synctest.Wait()
		if ack := a.one("ack"); ack["client_msg_id"] != id.String() {
			t.Errorf("answered is %v", ack)
		}
		a.none("nack")
		if a.closedWith() != chat.CloseDrain {
			t.Errorf("closed with %d", a.closedWith())
		}
		log.takes = 0
		r := w.say(u[0], ch, "after")
		if r.Seq != 3 { // 1 is the group's making
			t.Errorf("seq %d after one message; %s was stored", r.Seq, late)
		}
	}, func(d *chat.Deps) {
		log = &slowLog{Log: d.Log}
		d.Log = log
	})
}

// A session whose device does not read holds the drain up for a moment only.
func TestDrainDoesNotWaitForTheDeaf(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "deaf")
		ch := w.group(u[0], u[1])
		deaf := w.connect(u[1])
		resume := deaf.stall()
		defer resume()
		w.say(u[0], ch, "hello")
		synctest.Wait()
		begun := time.Now()
		w.hub.Drain(w.ctx, 0)
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("the drain took %v", took)
		}
	})
}

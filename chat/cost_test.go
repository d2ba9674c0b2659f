package chat_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gori/chat"
	"gori/chat/chattest"
)

// quietConn is a connection that costs next to nothing itself.
type quietConn struct {
	first  atomic.Pointer[[]byte]
	frames *atomic.Int64
	end    <-chan struct{}
}

func (c *quietConn) ReadFrame(context.Context) ([]byte, error) {
	if b := c.first.Swap(nil); b != nil {
		return *b, nil
	}
	<-c.end
	return nil, errGone
}

func (c *quietConn) WriteFrames(_ context.Context, frames [][]byte, _ func() bool) (int, error) {
	c.frames.Add(int64(len(frames)))
	return len(frames), nil
}

func (c *quietConn) Close(chat.CloseCode, string) {}

// crew is many quiet sessions of a world.
type crew struct {
	frames atomic.Int64
	end    chan struct{}
	work   sync.WaitGroup
}

func (c *crew) join(w *world, who chat.Identity) {
	resume := []byte(`{"op":"resume","v":1,"pos":0}`)
	conn := &quietConn{frames: &c.frames, end: c.end}
	conn.first.Store(&resume)
	s := w.svc.NewSession(who, conn)
	c.work.Go(func() { _ = s.Run(w.ctx) })
}

func (c *crew) waitFor(frames int64) {
	for c.frames.Load() < frames {
		runtime.Gosched()
	}
}

func (c *crew) leave() {
	close(c.end)
	c.work.Wait()
}

// TestIdleSessionMemory holds a session's own memory, without its goroutine's
// stack and its connection, under 1.5 KB.
func TestIdleSessionMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("counts memory")
	}
	const n = 4000
	w := newWorld(t, func(d *chat.Deps) { d.Attendance = nil })
	users := make([]chat.Identity, n)
	for i := range users {
		users[i] = w.user(fmt.Sprint("u", i))
	}
	heap := func() (int64, int64) {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc), int64(m.StackInuse)
	}
	// The runtime keeps what it has made for goroutines that have ended: these
	// take that cost, which is not the session's own, before the counting.
	var bare sync.WaitGroup
	stop := make(chan struct{})
	for range n {
		bare.Go(func() { <-stop })
	}
	close(stop)
	bare.Wait()
	before, stackBefore := heap()
	c := &crew{end: make(chan struct{})}
	for _, u := range users {
		c.join(w, u)
	}
	c.waitFor(n)
	after, stackAfter := heap()
	// On a busy machine some of what joining took may not be given back yet.
	for try := 0; try < 20 && (after-before)/n > 1500; try++ {
		runtime.Gosched()
		after, stackAfter = heap()
	}
	each := (after - before) / n
	t.Logf("an idle session keeps %d bytes of heap and %d of stack", each, (stackAfter-stackBefore)/n)
	if each > 1500 {
		t.Errorf("an idle session keeps %d bytes, the budget is 1500", each)
	}
	c.leave()
}

// BenchmarkDeliver measures what one message to a group costs this package for
// each member who is there, without any network.
func BenchmarkDeliver(b *testing.B) {
	const members = 100
	w := newWorld(b, func(d *chat.Deps) { d.Attendance = nil })
	w.mem.OnInbox = nil
	c := &crew{end: make(chan struct{})}
	d := chat.GroupDraft{Key: chattest.Key(0), Name: "room", Limit: 1000}
	var users []chat.Identity
	for i := range members {
		self, login, err := w.mem.SignUp(w.ctx, chat.NewAccount{LoginName: fmt.Sprint("u", i), DisplayName: "x"})
		if err != nil {
			b.Fatal(err)
		}
		users = append(users, chat.Identity{User: self.ID, Login: login})
		d.Members = append(d.Members, self.ID)
		c.join(w, users[i])
	}
	c.waitFor(members)
	ids := d.Members
	frame := chat.Frame{Bytes: make([]byte, 300)}
	b.ReportAllocs()
	sent := int64(members)
	for b.Loop() {
		w.hub.Deliver(ids, frame)
		sent += members
		if sent-c.frames.Load() > 50*members {
			c.waitFor(sent - 10*members)
		}
	}
	c.waitFor(sent)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/members, "ns/delivery")
	c.leave()
}

// pairConn sends one message after the other: the next one on each ack.
type pairConn struct {
	next   chan []byte
	c      *crew
	writes *atomic.Int64
	acks   *atomic.Int64
	make   func() []byte
}

func (p *pairConn) ReadFrame(context.Context) ([]byte, error) {
	select {
	case b := <-p.next:
		return b, nil
	case <-p.c.end:
		return nil, errGone
	}
}

func (p *pairConn) WriteFrames(_ context.Context, frames [][]byte, _ func() bool) (int, error) {
	p.writes.Add(1)
	p.c.frames.Add(int64(len(frames)))
	for _, f := range frames {
		if f[7] == 'a' || f[7] == 'r' { // ack or resumed
			p.acks.Add(1)
			p.next <- p.make()
		}
	}
	return len(frames), nil
}

func (p *pairConn) Close(chat.CloseCode, string) {}

// BenchmarkPairs measures what a 1:1 message costs this package, from the
// frame that comes to the two that go, on the store in memory.
func BenchmarkPairs(b *testing.B) {
	const pairs = 50
	w := newWorld(b, func(d *chat.Deps) { d.Attendance = nil })
	c := &crew{end: make(chan struct{})}
	var writes, acks, ids atomic.Int64
	for i := range pairs {
		var u [2]chat.Identity
		for k := range u {
			self, login, err := w.mem.SignUp(w.ctx, chat.NewAccount{LoginName: fmt.Sprint("u", i, "-", k), DisplayName: "x"})
			if err != nil {
				b.Fatal(err)
			}
			u[k] = chat.Identity{User: self.ID, Login: login}
		}
		ch, err := w.svc.OpenDirect(w.ctx, u[0], u[1].User)
		if err != nil {
			b.Fatal(err)
		}
		for k := range u {
			p := &pairConn{next: make(chan []byte, 4), c: c, writes: &writes, acks: &acks, make: func() []byte {
				return fmt.Appendf(nil, `{"op":"send","channel":"%d","client_msg_id":"%s","body":"안녕하세요, 오늘 저녁에 뭐 먹을까요?"}`,
					ch.ID, chattest.Key(int(ids.Add(1))))
			}}
			p.next <- []byte(`{"op":"resume","v":1,"pos":0}`)
			c.work.Go(func() { _ = w.svc.NewSession(u[k], p).Run(w.ctx) })
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	from, wrote := acks.Load(), writes.Load()
	for acks.Load()-from < int64(b.N) {
		time.Sleep(time.Millisecond)
	}
	b.ReportMetric(float64(writes.Load()-wrote)/float64(acks.Load()-from), "writes/msg")
	b.StopTimer()
	c.leave()
}

package chat_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gori/chat"
	"gori/chat/chattest"
)

// thawing is two nodes without a mesh, of which the second can be frozen.
type thawing struct {
	*cluster
	ahead atomic.Int64 // by how much that node's time has passed without it
	dead  atomic.Bool  // its store does not tell what was taken away
	looks atomic.Int64

	ann, bob chat.Identity
	ch       chat.ChannelID
	device   *chattest.Device // bob's, on the second node
}

// shaky is a store of which a part may not answer.
type shaky struct {
	chat.Revocations
	t *thawing
}

var errNoShard = errors.New("connection refused")

func (s shaky) Revoked(ctx context.Context, since chat.RevokedSince, away time.Duration) (chat.RevokedPage, error) {
	s.t.looks.Add(1)
	if s.t.dead.Load() {
		return chat.RevokedPage{Since: since, Missed: []string{"memory"}}, errNoShard
	}
	return s.Revocations.Revoked(ctx, since, away)
}

func inThaw(t *testing.T, run func(th *thawing)) {
	th := &thawing{}
	clock := func() time.Time { return time.Now().Add(time.Duration(th.ahead.Load())) }
	inCluster(t, 2, 5, func(c *cluster) {
		th.cluster = c
		u := c.users(2)
		th.ann, th.bob = u[0], u[1]
		th.ch = c.group(0, th.ann, th.bob)
		th.device = c.connect(th.bob, 1)
		time.Sleep(2*time.Second + 50*time.Millisecond)
		c.Mesh.Change(func(m *chattest.Mesh) { m.Cut = true })
		run(th)
	}, func(node int, d *chat.Deps) {
		if node == 1 {
			d.Now, d.Hub, d.Revocations = clock, chat.NewHub(chat.HubConfig{Now: clock}), shaky{d.Revocations, th}
		}
	})
}

func (th *thawing) remove() {
	th.govern(0, th.ann, chat.Governance{Kind: chat.GovernRemove, Channel: th.ch, Users: []chat.UserID{th.bob.User}})
}

// freeze lets time pass in which nothing happens on the second node.
func (th *thawing) freeze(d time.Duration) { th.ahead.Add(int64(d)) }

// tell puts a frame of the channel on the device's queue.
func (th *thawing) tell() {
	th.Nodes[1].Hub.Deliver([]chat.UserID{th.bob.User}, chat.Frame{Bytes: []byte(`{"op":"typing"}`), Channel: th.ch})
}

// What was sent to a node before it stood still may have been answered by another
// one since: it is not stored. Who is still there is told to send it again.
func TestAThawedNodeStoresNothingOld(t *testing.T) {
	inThaw(t, func(th *thawing) {
		send := func(stored bool, when string) {
			t.Helper()
			acks, nacks := th.device.Heard(chat.OpAck), th.device.Heard(chat.OpNack)
			th.device.Say(`{"op":"send","channel":"%d","client_msg_id":"01900000-0000-7000-8000-%012d","body":"x"}`, th.ch, acks)
			time.Sleep(100 * time.Millisecond)
			switch acks, nacks = th.device.Heard(chat.OpAck)-acks, th.device.Heard(chat.OpNack)-nacks; {
			case stored && (acks != 1 || nacks != 0):
				t.Fatalf("%s: not stored: %v", when, th.device.Last(chat.OpNack))
			case !stored && (acks != 0 || nacks != 1 || th.device.Last(chat.OpNack)["retry"] != true):
				t.Fatalf("%s: %d times stored, refused %v", when, acks, th.device.Last(chat.OpNack))
			}
		}
		th.freeze(time.Second)
		send(true, "after a second in which its host was busy")
		th.freeze(5 * time.Second)
		send(false, "before the node knows that it stood still")
		time.Sleep(500 * time.Millisecond)
		send(false, "while it reads what lay in its buffers")
		time.Sleep(500 * time.Millisecond)
		send(true, "later")
		th.dead.Store(true)
		time.Sleep(5 * time.Second)
		send(true, "while a shard is down")
	})
}

// A look of which a part fails is none for a node that was away: it has not
// heard of what was taken away meanwhile in any other way either.
func TestAThawedNodeWritesNothingUntilItHasSeenAll(t *testing.T) {
	for _, removed := range []bool{false, true} {
		t.Run(fmt.Sprint("removed: ", removed), func(t *testing.T) {
			inThaw(t, func(th *thawing) {
				if removed {
					th.remove()
				}
				th.dead.Store(true)
				looks := th.looks.Load()
				th.freeze(5 * time.Second)
				th.tell()
				time.Sleep(time.Second)
				if n := th.device.Heard("typing"); n != 0 {
					t.Fatalf("%d frames came although the node has not seen all", n)
				}
				if n := th.looks.Load() - looks; n < 8 {
					t.Fatalf("%d looks in a second in which nobody could be written to", n)
				}
				th.dead.Store(false)
				time.Sleep(200 * time.Millisecond)
				want := 1
				if removed {
					want = 0
				}
				if n := th.device.Heard("typing"); n != want || th.device.Resumes() != 1 {
					t.Fatalf("%d frames came, want %d; %d resumes", n, want, th.device.Resumes())
				}
			})
		})
	}
}

func TestAThawedNodeThatCannotSeeAllHasEverybodyResume(t *testing.T) {
	inThaw(t, func(th *thawing) {
		th.remove()
		th.dead.Store(true)
		th.freeze(5 * time.Second)
		th.tell()
		time.Sleep(2 * time.Second)
		if th.device.Resumes() != 1 {
			t.Fatal("too soon")
		}
		time.Sleep(3 * time.Second)
		if n := th.device.Heard("typing"); n != 0 || th.device.Resumes() != 2 {
			t.Fatalf("%d frames came, %d resumes", n, th.device.Resumes())
		}
		// From then on it is as on every node that a shard does not answer.
		th.Nodes[1].Hub.Deliver([]chat.UserID{th.bob.User}, chat.Frame{Bytes: []byte(`{"op":"typing"}`)})
		synctest.Wait()
		if th.device.Heard("typing") != 1 {
			t.Fatal("nothing comes any more")
		}
	})
}

// A dead shard is no reason to be silent: it takes nothing away.
func TestADeadShardSilencesNobody(t *testing.T) {
	inThaw(t, func(th *thawing) {
		th.dead.Store(true)
		for i := range 20 {
			time.Sleep(time.Second + 70*time.Millisecond)
			th.tell()
			synctest.Wait()
			if n := th.device.Heard("typing"); n != i+1 {
				t.Fatalf("%d frames came, want %d", n, i+1)
			}
		}
		th.freeze(time.Second) // a busy host: the shard has been dead before, and still is
		th.tell()
		synctest.Wait()
		if n := th.device.Heard("typing"); n != 21 || th.device.Resumes() != 1 {
			t.Fatalf("%d frames came, %d resumes", n, th.device.Resumes())
		}
	})
}

// lateConn is a connection on which something happens between the moment when
// frames are handed to it and the moment when they are written.
type lateConn struct {
	resume chan []byte
	gone   chan struct{}
	end    sync.Once

	mu     sync.Mutex
	before func() // before the next write
	frames []string
}

func (c *lateConn) ReadFrame(context.Context) ([]byte, error) {
	select {
	case b := <-c.resume:
		return b, nil
	case <-c.gone:
		return nil, errGone
	}
}

func (c *lateConn) WriteFrames(_ context.Context, frames [][]byte, may func() bool) (int, error) {
	c.mu.Lock()
	do := c.before
	c.before = nil
	c.mu.Unlock()
	if do != nil {
		do()
	}
	for i, f := range frames {
		if !may() {
			return i, chat.ErrMayNot
		}
		c.mu.Lock()
		c.frames = append(c.frames, string(f))
		c.mu.Unlock()
	}
	return len(frames), nil
}

func (c *lateConn) Close(chat.CloseCode, string) { c.end.Do(func() { close(c.gone) }) }

// The node stands still after it has looked whether it may write, and before it
// does; what is written then must be what may be written then. It may even have
// looked at what was taken away before the write goes on.
func TestAWriteThatANodesSleepInterruptedIsLookedAtAgain(t *testing.T) {
	for name, c := range map[string]struct {
		remove, freeze bool
		want           string
	}{
		"stood still":             {false, true, `{"op":"one"} {"op":"two"} {"op":"three"} {"op":"four"}`},
		"looked":                  {true, false, `{"op":"two"} {"op":"four"}`},
		"stood still, and looked": {true, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inThaw(t, func(th *thawing) {
				other := th.group(0, th.ann, th.bob)
				conn := &lateConn{resume: make(chan []byte, 1), gone: make(chan struct{})}
				conn.resume <- []byte(`{"op":"resume","v":1,"pos":0}`)
				done := make(chan struct{})
				go func() {
					defer close(done)
					_ = th.Nodes[1].Service.NewSession(th.bob, conn).Run(th.ctx)
				}()
				defer func() {
					conn.Close(0, "")
					<-done
				}()
				time.Sleep(time.Second)
				conn.mu.Lock()
				conn.frames = nil
				conn.before = func() {
					if c.remove {
						th.remove()
					}
					if c.freeze {
						th.freeze(5 * time.Second)
					}
					if c.remove {
						time.Sleep(450 * time.Millisecond)
					}
				}
				conn.mu.Unlock()
				frame := func(ch chat.ChannelID, text string) chat.Frame { return chat.Frame{Bytes: []byte(text), Channel: ch} }
				th.Nodes[1].Hub.Deliver([]chat.UserID{th.bob.User}, frame(th.ch, `{"op":"one"}`), frame(other, `{"op":"two"}`), frame(th.ch, `{"op":"three"}`), frame(0, `{"op":"four"}`))
				time.Sleep(time.Second)
				conn.mu.Lock()
				got := strings.Join(slices.DeleteFunc(conn.frames, func(f string) bool { return strings.Contains(f, "entries") }), " ")
				conn.mu.Unlock()
				if got != c.want {
					t.Fatal("there came ", got)
				}
			})
		})
	}
}

// What was read before a standstill may be no more for whoever asked.
func TestWhatWasReadBeforeAStandstillIsNotHandedOut(t *testing.T) {
	inThaw(t, func(th *thawing) {
		svc := th.Nodes[1].Service
		still := svc.Steady(th.ctx)
		time.Sleep(20 * time.Second)
		if !still() {
			t.Fatal("the node did not stand still")
		}
		th.freeze(5 * time.Second)
		if still() {
			t.Fatal("nobody has looked since")
		}
		fresh := svc.Steady(th.ctx)
		if still() || !fresh() {
			t.Fatal("a look does not make younger what was read before it, and is enough for what is read after")
		}
	})
}

// An inbox tells of channels, too: what is queued of one goes with the session.
func TestWhoWasRemovedDuringAStandstillResumes(t *testing.T) {
	inThaw(t, func(th *thawing) {
		ann := th.connect(th.ann, 1)
		time.Sleep(time.Second)
		th.remove()
		th.freeze(5 * time.Second)
		th.Nodes[1].Hub.Deliver([]chat.UserID{th.bob.User}, chat.Frame{Bytes: []byte(`{"op":"typing"}`)})
		time.Sleep(3 * time.Second)
		if th.device.Heard("typing") != 0 || th.device.Resumes() != 2 || ann.Resumes() != 1 {
			t.Fatalf("%d frames; %d and %d resumes", th.device.Heard("typing"), th.device.Resumes(), ann.Resumes())
		}
	})
}

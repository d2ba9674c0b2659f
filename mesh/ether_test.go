package mesh

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gori/chat"
)

// ether is a NATS in memory: every connection hears every other at once.
type ether struct {
	mu    sync.Mutex
	conns []*etherBus
}

// etherBus is one connection; each subscription has a goroutine, as with NATS.
type etherBus struct {
	ether *ether
	subs  map[string]chan []byte
	work  sync.WaitGroup
}

func (e *ether) connect() *etherBus {
	b := &etherBus{ether: e, subs: make(map[string]chan []byte)}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.conns = append(e.conns, b)
	return b
}

func (b *etherBus) publish(subject string, data []byte) error {
	b.ether.mu.Lock()
	defer b.ether.mu.Unlock()
	for _, c := range b.ether.conns {
		if ch := c.subs[subject]; ch != nil {
			select {
			case ch <- slices.Clone(data):
			default: // a slow consumer loses it
			}
		}
	}
	return nil
}

func (b *etherBus) subscribe(subject string, f func([]byte)) error {
	ch := make(chan []byte, 4096)
	b.ether.mu.Lock()
	b.subs[subject] = ch
	b.ether.mu.Unlock()
	b.work.Go(func() {
		for data := range ch {
			f(data)
		}
	})
	return nil
}

func (b *etherBus) close(context.Context) error {
	b.ether.mu.Lock()
	for _, ch := range b.subs {
		close(ch)
	}
	b.subs = map[string]chan []byte{}
	b.ether.mu.Unlock()
	b.work.Wait()
	return nil
}

// node runs a mesh of this name on the ether. change may be nil.
func (e *ether) node(t *testing.T, name, run string, change func(*Config)) running {
	cfg := Config{Node: name, Secret: testSecret, Log: testLog(t)}
	if change != nil {
		change(&cfg)
	}
	cfg.defaults()
	return start(t, newMesh(cfg, run, e.connect()), newEar())
}

// settle lets some time of the bubble pass.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (e *ear) heardGossip() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.gossip)
}

func (e *ear) counts() (tidings, missed int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.tidings), e.missed
}

func wantGossip(t *testing.T, e *ear, want ...string) {
	t.Helper()
	if got := e.heardGossip(); !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}

func TestAKilledNodeIsGoneInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ether
		a, b := e.node(t, "a", "1", nil), e.node(t, "b", "2", nil)
		settle(3 * time.Second)
		wantGossip(t, a.ear, "+b")
		if n := a.Nodes(); len(n) != 2 || n[1].Age > chat.NodeBeatEvery || !n[1].Ready {
			t.Errorf("%+v", n)
		}
		// Killed: nothing is said or heard any more.
		b.Cut("a", time.Hour)
		began := time.Now()
		settle(chat.NodeDeadAfter - chat.NodeBeatEvery - time.Second)
		wantGossip(t, a.ear, "+b")
		for len(a.Nodes()) == 2 {
			settle(100 * time.Millisecond)
		}
		if took := time.Since(began); took > chat.NodeDeadAfter+2*time.Second {
			t.Errorf("gone after %v", took)
		}
		wantGossip(t, a.ear, "+b", "-b")
		// And again, as a new run.
		b.stop()
		again := e.node(t, "b", "3", nil)
		settle(3 * time.Second)
		wantGossip(t, a.ear, "+b", "-b", "+b")
		wantGossip(t, again.ear, "+a")
	})
}

// A restart is seen at once, without waiting for the old run's silence.
func TestARestartReplacesTheOldRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ether
		a, b := e.node(t, "a", "1", nil), e.node(t, "b", "2", nil)
		settle(3 * time.Second)
		b.Cut("a", time.Hour)
		again := e.node(t, "b", "3", nil)
		again.Cut("b", time.Hour) // the old run is dead, so the new one does not hear it
		settle(2 * time.Second)
		wantGossip(t, a.ear, "+b", "-b", "+b")
		settle(10 * time.Second) // the old run's end changes nothing
		wantGossip(t, a.ear, "+b", "-b", "+b")
		if n := a.Nodes(); len(n) != 2 || n[1].Run != "3" {
			t.Errorf("%+v", n)
		}
	})
}

// Two live nodes of one name: the newer counts for all, the older steps back
// until it is alone again.
func TestTwoNodesOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ether
		a, old := e.node(t, "a", "1", nil), e.node(t, "b", "2", nil)
		settle(time.Minute)
		newer := e.node(t, "b", "3", nil)
		settle(5 * time.Second)
		if n := a.Nodes(); len(n) != 2 || n[1].Run != "3" || !n[1].Ready {
			t.Errorf("%+v", n)
		}
		if !old.Displaced() || newer.Displaced() || old.Nodes()[1].Ready || !newer.Nodes()[1].Ready {
			t.Error("the older does not step back")
		}
		wantGossip(t, newer.ear, "+a")
		wantGossip(t, old.ear, "+a")
		before, _ := a.ear.counts()
		old.ToAll(chat.Tiding{Kind: chat.TidingMembers}) // still heard
		settle(time.Second)
		if after, _ := a.ear.counts(); after != before+1 {
			t.Error("what the older tells is lost")
		}
		_, missed := old.ear.counts()
		settle(10 * time.Second)
		if _, now := old.ear.counts(); now-missed < 4 {
			t.Errorf("the older looks for itself %d times in 10 s", now-missed)
		}
		newer.stop()
		settle(10 * time.Second)
		if old.Displaced() || !old.Nodes()[1].Ready {
			t.Error("alone again, it is still displaced")
		}
		wantGossip(t, a.ear, "+b", "-b", "+b", "-b", "+b")
	})
}

// Wall clocks an hour apart change nothing.
func TestAWrongClockIsNoMatter(t *testing.T) {
	for _, wrong := range []time.Duration{time.Hour, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			var e ether
			a := e.node(t, "a", "1", nil)
			b := e.node(t, "b", "2", func(c *Config) { c.Now = func() time.Time { return time.Now().Add(wrong) } })
			settle(time.Minute)
			a.ToAll(chat.Tiding{Kind: chat.TidingMembers})
			b.ToAll(chat.Tiding{Kind: chat.TidingMembers})
			settle(time.Second)
			wantGossip(t, a.ear, "+b")
			wantGossip(t, b.ear, "+a")
			for _, m := range []running{a, b} {
				if n, _ := m.ear.counts(); n != 1 {
					t.Errorf("%d tidings", n)
				}
				for _, n := range m.Nodes() {
					if n.Age < 0 || n.Age > chat.NodeBeatEvery {
						t.Errorf("%v: the beat of %s is %v old", wrong, n.Name, n.Age)
					}
				}
			}
		})
	}
}

// With 30 % of all messages lost, beats too, every tiding is heard or Missed
// is told after it was sent. Nodes come to know each other, nobody is taken
// for dead who was heard within 6 s.
func TestEveryLossIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ether
		var mu sync.Mutex
		random := rand.New(rand.NewPCG(7, 7))
		lossy := func() bool { mu.Lock(); defer mu.Unlock(); return random.IntN(10) < 3 }
		var nodes []running
		for i, name := range []string{"a", "b", "c"} {
			cfg := Config{Node: name, Secret: testSecret, Log: testLog(t)}
			cfg.defaults()
			m := newMesh(cfg, fmt.Sprint(i), e.connect())
			m.Lose(lossy)
			nodes = append(nodes, start(t, m, newEar()))
		}
		settle(30 * time.Second)
		for round := range 40 {
			told := map[string]int{}
			before := map[*ear][2]int{}
			for _, n := range nodes {
				tidings, missed := n.ear.counts()
				before[n.ear] = [2]int{tidings, missed}
			}
			for i := range 5 {
				from := nodes[(round+i)%3]
				from.ToAll(chat.Tiding{Kind: chat.TidingMembers, Body: fmt.Append(nil, round, i)})
				for _, p := range nodes {
					if p.ear != from.ear {
						told[p.self.Name]++
					}
				}
				settle(10 * time.Millisecond)
			}
			settle(30 * time.Second)
			for _, n := range nodes {
				tidings, missed := n.ear.counts()
				was := before[n.ear]
				if tidings-was[0] < told[n.self.Name] && missed == was[1] {
					t.Fatalf("round %d: %s heard %d of %d, and nobody told it", round, n.self.Name, tidings-was[0], told[n.self.Name])
				}
			}
		}
	})
}

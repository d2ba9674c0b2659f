package presence

import (
	"math/rand/v2"
	"testing"
	"time"

	"gori/chat"
)

// crowd is what really is on each node.
type crowd struct {
	l    *lan
	rng  *rand.Rand
	here []map[chat.UserID]bool // by node
}

// stir lets users come, go, beat and drop at random.
func (c *crowd) stir(steps int) {
	for range steps {
		at := c.rng.IntN(len(c.l.nodes))
		n, u := c.l.nodes[at], chat.UserID(1000+c.rng.IntN(400))
		switch c.rng.IntN(5) {
		case 0, 1:
			come(n.Tracker, u, chat.SessionID(u))
			c.here[at][u] = true
		case 2:
			n.Beat(u, chat.SessionID(u), c.rng.IntN(2) == 0)
		default:
			n.Left(u, chat.SessionID(u), c.rng.IntN(2) == 0)
			delete(c.here[at], u)
		}
		time.Sleep(time.Duration(c.rng.IntN(10)) * time.Millisecond)
	}
}

// agree tells whether every node knows of every other what is.
func (c *crowd) agree() bool {
	for _, n := range c.l.nodes {
		n.mu.Lock()
		for _, o := range c.l.nodes {
			if o == n {
				continue
			}
			p := n.nodes.byName[o.name]
			for u := chat.UserID(1000); u < 1400; u++ {
				if p == nil || (n.nodes.table.get(u, p.index).word.live() > 0) != c.here[o.at][u] {
					n.mu.Unlock()
					return false
				}
			}
			if p.root != o.root {
				n.mu.Unlock()
				return false
			}
		}
		n.mu.Unlock()
		if n.Stats().Behind != 0 {
			return false
		}
	}
	return true
}

func newCrowd(l *lan) *crowd {
	c := &crowd{l: l, rng: rand.New(rand.NewPCG(3, 9))}
	for range l.nodes {
		c.here = append(c.here, map[chat.UserID]bool{})
	}
	return c
}

// settles waits until all agree, at most so long.
func (c *crowd) settles(t *testing.T, most time.Duration) time.Duration {
	t.Helper()
	for waited := time.Duration(0); ; waited += 100 * time.Millisecond {
		after(100 * time.Millisecond)
		if c.agree() {
			return waited
		}
		if waited > most {
			for _, n := range c.l.nodes {
				t.Logf("%s: %+v", n.name, n.Stats())
			}
			t.Fatalf("after %v the nodes do not agree", waited)
		}
	}
}

// TestOvertakenDeltaIsFound: a delta that comes after the one that undoes it,
// and touches a bucket that nobody has asked for, is found out at once.
func TestOvertakenDeltaIsFound(t *testing.T) {
	tr, d := deafTracker()
	e := entry{77, record{1, makeWord(sayActive, seenByAll, 1, false)}}
	root := hashOf(e.user, e.record)
	tr.Heard("n2", head{kindDigest, 9, 1, 0}.append(nil))
	tr.Heard("n2", head{kindDigest, 9, 3, 0}.append(nil)) // it came and went
	tr.Heard("n2", e.append(head{kindDelta, 9, 2, root}.append(nil)))
	asked := len(d.to["n2"])
	tr.round(time.Now().Add(time.Second))
	if len(d.to["n2"]) != asked+1 {
		t.Fatal("the node is not asked again")
	}
	tr.Heard("n2", bucketful{bucketOf(77), nil}.append(head{kindAnswer, 9, 3, 0}.append(nil)))
	if s := tr.Stats(); s.Behind != 1 || s.Nodes["n2"] != 0 { // n3 has not been heard
		t.Fatalf("%+v", s)
	}
}

// TestLossIsRepaired: the mesh drops three payloads of ten and lets them
// overtake each other; a few seconds after the last change all agree.
func TestLossIsRepaired(t *testing.T) {
	onLAN(t, 3, func(l *lan) {
		c := newCrowd(l)
		for round := range 5 {
			l.mu.Lock()
			l.loss, l.delay = 0.3, 80*time.Millisecond
			l.mu.Unlock()
			c.stir(1500)
			time.Sleep(10500 * time.Millisecond) // graces end
			t.Logf("round %d: agreed after %v", round, c.settles(t, 10*time.Second))
		}
		for _, n := range l.nodes {
			if s := n.Stats(); s.Repaired == 0 || s.Garbage != 0 {
				t.Errorf("%s: %+v", n.name, s)
			}
		}
	})
}

// TestLateNodeHearsAll: a node that joins late, over a mesh that drops, gets the
// others' tables in several payloads.
func TestLateNodeHearsAll(t *testing.T) {
	onLAN(t, 3, func(l *lan) {
		late := l.nodes[2]
		l.setCut(late, true)
		for _, n := range l.nodes[:2] {
			n.NodeGone(late.name)
			late.NodeGone(n.name)
		}
		for u := chat.UserID(1); u <= 20_000; u++ {
			come(l.nodes[u%2].Tracker, u, chat.SessionID(u))
		}
		time.Sleep(30 * time.Second)
		l.mu.Lock()
		l.loss = 0.3
		l.mu.Unlock()
		l.heal(late, false)
		after(10 * time.Second)
		if s := late.Stats(); s.Behind != 0 || s.Elsewhere != 20_000 || s.Nodes["n1"] != 10_000 {
			t.Fatalf("%+v", s)
		}
	})
}

// TestIdleCostsLittle: nodes with nothing to say are quiet.
func TestIdleCostsLittle(t *testing.T) {
	onLAN(t, 3, func(l *lan) {
		for u := chat.UserID(1); u <= 1000; u++ {
			come(l.nodes[u%3].Tracker, u, chat.SessionID(u))
			l.nodes[u%3].Beat(u, chat.SessionID(u), true)
		}
		time.Sleep(time.Minute)
		l.mu.Lock()
		sent := l.sent
		l.mu.Unlock()
		for range 10 {
			for u := chat.UserID(1); u <= 1000; u++ {
				l.nodes[u%3].Beat(u, chat.SessionID(u), true)
			}
			after(17 * time.Second)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if more := l.sent - sent; more > 6*10 { // each node to two others, about every 20 s
			t.Fatalf("%d payloads in 170 s of nothing new", more)
		}
	})
}

package presence

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

// lan is several nodes and what connects them, with faults.
type lan struct {
	t     *testing.T
	nodes []*lanNode
	beats *fakeBeats

	mu    sync.Mutex
	rng   *rand.Rand
	loss  float64       // of payloads
	delay time.Duration // up to; payloads overtake each other
	cut   map[[2]int]bool
	sent  int // payloads
	bytes int
}

type lanNode struct {
	*Tracker
	lan  *lan
	at   int
	name string
	ear  *ear
	stop func()
}

// ToAll implements Peers.
func (n *lanNode) ToAll(payload []byte) {
	for _, o := range n.lan.nodes {
		if o != n {
			n.lan.send(n, o, payload)
		}
	}
}

// ToNode implements Peers.
func (n *lanNode) ToNode(node string, payload []byte) {
	for _, o := range n.lan.nodes {
		if o.name == node && o != n {
			n.lan.send(n, o, payload)
		}
	}
}

func (l *lan) send(from, to *lanNode, payload []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
	l.bytes += len(payload)
	if l.cut[[2]int{from.at, to.at}] || l.rng.Float64() < l.loss {
		return
	}
	wait := time.Millisecond
	if l.delay > 0 {
		wait += rand.N(l.delay)
	}
	tr := to.Tracker
	time.AfterFunc(wait, func() { tr.Heard(from.name, payload) })
}

// run starts a node's Run.
func (n *lanNode) run() {
	ctx, cancel := context.WithCancel(n.lan.t.Context())
	done := make(chan struct{})
	go func() { n.Run(ctx); close(done) }()
	n.stop = func() { cancel(); <-done }
}

// fresh makes the node's Tracker, of a new run.
func (n *lanNode) fresh() {
	n.lan.mu.Lock()
	defer n.lan.mu.Unlock()
	n.ear = &ear{start: time.Now()}
	n.Tracker = New(n.lan.beats, n.ear, Options{})
	n.SetPeers(n, n.name)
}

// onLAN runs f in fake time with n nodes that know each other.
func onLAN(t *testing.T, n int, f func(l *lan)) {
	synctest.Test(t, func(t *testing.T) {
		l := &lan{t: t, rng: rand.New(rand.NewPCG(7, 7)), cut: map[[2]int]bool{},
			beats: &fakeBeats{at: map[chat.UserID]chat.Millis{}, to: map[chat.UserID]chat.PresenceTo{}}}
		for i := range n {
			node := &lanNode{lan: l, at: i, name: fmt.Sprint("n", i+1)}
			l.nodes = append(l.nodes, node)
			node.fresh()
		}
		for _, a := range l.nodes {
			a.run()
			for _, b := range l.nodes {
				if a != b {
					a.NodeJoined(b.name)
				}
			}
		}
		time.Sleep(surely)
		f(l)
		for _, a := range l.nodes {
			a.stop()
		}
		time.Sleep(time.Minute) // payloads on their way
	})
}

// part cuts a node off; after 6 s all know, unless it is frozen and only the
// others do.
func (l *lan) part(n *lanNode, frozen bool) {
	l.setCut(n, true)
	if frozen {
		n.stop()
	}
	time.Sleep(chat.NodeDeadAfter)
	for _, o := range l.nodes {
		if o != n {
			o.NodeGone(n.name)
			if !frozen {
				n.NodeGone(o.name)
			}
		}
	}
}

// heal joins a node that was cut off.
func (l *lan) heal(n *lanNode, frozen bool) {
	l.setCut(n, false)
	if frozen {
		n.run()
	}
	for _, o := range l.nodes {
		if o != n {
			o.NodeJoined(n.name)
			if !frozen {
				n.NodeJoined(o.name)
			}
		}
	}
}

func (l *lan) setCut(n *lanNode, cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.nodes {
		l.cut[[2]int{n.at, o.at}], l.cut[[2]int{o.at, n.at}] = cut, cut
	}
}

// resume is a session that arrives; who may see the user is known a moment later.
func (n *lanNode) resume(u chat.UserID, s chat.SessionID) {
	n.Arrived(u, chat.LoginID(u), s)
	time.Sleep(300 * time.Millisecond)
	n.SeenBy(u, chat.PresenceToEveryone)
}

// friend lets u be at a node with a friend: user 1.
func (n *lanNode) friend(u chat.UserID) {
	come(n.Tracker, u, chat.SessionID(u))
	n.Beat(u, chat.SessionID(u), true)
	n.Befriended(u, []chat.UserID{1}, nil)
}

// nodesOf lists where n thinks that a user is.
func (n *lanNode) nodesOf(u chat.UserID) []string {
	var names []string
	n.NodesOf([]chat.UserID{u}, func(node string, users []chat.UserID) {
		if len(users) != 1 || users[0] != u {
			n.lan.t.Errorf("%s: asked for %d, got %v", n.name, u, users)
		}
		names = append(names, node)
	})
	slices.Sort(names)
	return names
}

// sees is what the node shows of a user to friends.
func (n *lanNode) sees(u chat.UserID) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	friends, _ := n.sumLocked(u, time.Now()).shown()
	return friends.String()
}

// after waits and lets everything come to rest.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// wants fails unless friends 11, 12, … at nodes 1, 2, … were told exactly this of user 1.
func (l *lan) wants(words ...string) {
	l.t.Helper()
	synctest.Wait()
	for i, n := range l.nodes {
		if got := n.ear.words(chat.UserID(11+i), 1); !slices.Equal(got, words) {
			l.t.Fatalf("%s was told %v, want %v", n.name, got, words)
		}
	}
}

// friends puts a friend of user 1 on each node.
func (l *lan) friends() {
	for i, n := range l.nodes {
		n.friend(chat.UserID(11 + i))
	}
	time.Sleep(time.Second)
}

package mesh

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"gori/chat"
)

const testSecret = "a secret of the tests"

// host is a loopback address that no other process uses, so that nobody takes a
// port between its choice and its use.
var host = func() netip.Addr {
	pid := os.Getpid()
	return netip.AddrFrom4([4]byte{127, 64 + byte(pid>>16&63), byte(pid >> 8), byte(pid)})
}()

var lastPort atomic.Int64

// ports are addresses that nobody else uses.
func ports(n int) []string {
	var addrs []string
	for range n {
		addrs = append(addrs, netip.AddrPortFrom(host, uint16(21_000+lastPort.Add(1)%10_000)).String())
	}
	return addrs
}

// running is a mesh that runs until the test ends or stop is called.
type running struct {
	*Mesh
	ear  *ear
	stop func()
}

func start(t *testing.T, m *Mesh, e *ear) running {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := m.Run(ctx, e.deps()); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	stop := func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return running{m, e, stop}
}

func open(t *testing.T, cfg Config) *Mesh {
	t.Helper()
	cfg.Log = testLog(t)
	m, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func embeddedNode(t *testing.T, name string, addrs []string, i int) running {
	return start(t, open(t, Config{Node: name, Listen: addrs[i], Routes: addrs, Secret: testSecret}), newEar())
}

func TestTwoEmbeddedNodesTell(t *testing.T) {
	addrs := ports(2)
	a, b := embeddedNode(t, "a", addrs, 0), embeddedNode(t, "b", addrs, 1)
	exchange(t, a, b)
}

// exchange has the two nodes meet, tell, and part.
func exchange(t *testing.T, a, b running) {
	t.Helper()
	a.ear.until(t, "a meets b", func() bool { return slices.Contains(a.ear.gossip, "+b") })
	b.ear.until(t, "b meets a", func() bool { return slices.Contains(b.ear.gossip, "+a") })

	a.ear.where = map[string][]chat.UserID{"b": {1, 2, 5}}
	big := bytes.Repeat([]byte("고리"), 250_000) // 1.5 MB
	a.ToUsers([]chat.UserID{1, 5, 9}, chat.Tiding{Kind: chat.TidingFrames, Body: []byte("first")})
	a.ToUsers([]chat.UserID{2}, chat.Tiding{Kind: chat.TidingFrames, Body: big})
	a.ToUsers([]chat.UserID{9}, chat.Tiding{Kind: chat.TidingFrames, Body: []byte("for nobody there")})
	a.ToAll(chat.Tiding{Kind: chat.TidingMembers, Body: nil})
	a.Peers().ToNode("b", []byte("to b"))
	a.Peers().ToNode("nobody", []byte("lost"))
	a.Peers().ToAll([]byte("to all"))
	b.ear.until(t, "all that a says", func() bool { return slices.Contains(b.ear.gossip, "a:to all") && len(b.ear.tidings) >= 3 })
	b.ear.mu.Lock()
	defer b.ear.mu.Unlock()
	if len(b.ear.tidings) != 3 || string(b.ear.tidings[0].Body) != "first" || !bytes.Equal(b.ear.tidings[1].Body, big) || b.ear.tidings[2].Kind != chat.TidingMembers {
		t.Fatalf("heard %d tidings", len(b.ear.tidings))
	}
	if fmt.Sprint(b.ear.users) != "[[1 5] [2] []]" {
		t.Fatalf("for %v", b.ear.users)
	}
	if i := slices.Index(b.ear.gossip, "+a"); i != 0 || !slices.Equal(b.ear.gossip, []string{"+a", "a:to b", "a:to all"}) {
		t.Fatalf("gossip %q", b.ear.gossip)
	}
	nodes := b.Nodes()
	if len(nodes) != 2 || nodes[0].Name != "a" || nodes[0].Sessions != 3 || nodes[0].Self || !nodes[1].Self || nodes[0].Run == nodes[1].Run {
		t.Fatalf("nodes %+v", nodes)
	}
}

func TestGoodbye(t *testing.T) {
	addrs := ports(2)
	a, b := embeddedNode(t, "a", addrs, 0), embeddedNode(t, "b", addrs, 1)
	b.ear.until(t, "b meets a", func() bool { return slices.Contains(b.ear.gossip, "+a") })
	a.ear.until(t, "a meets b", func() bool { return slices.Contains(a.ear.gossip, "+b") })
	a.stop()
	b.ear.until(t, "a leaves", func() bool { return slices.Contains(b.ear.gossip, "-a") })
	again := embeddedNode(t, "a", addrs, 0)
	b.ear.until(t, "a is back", func() bool { return slices.Equal(b.ear.gossip, []string{"+a", "-a", "+a"}) })
	again.ear.until(t, "it meets b", func() bool { return slices.Contains(again.ear.gossip, "+b") })
}

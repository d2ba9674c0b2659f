package mesh

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"gori/chat"
)

// counter is a Listener that counts.
type counter struct {
	mu   sync.Mutex
	n    int
	want int
	done chan struct{}
}

func (c *counter) Missed() {}
func (c *counter) Heard([]chat.UserID, chat.Tiding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n++; c.n == c.want {
		close(c.done)
	}
}

func (c *counter) expect(n int) chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n, c.want, c.done = 0, n, make(chan struct{})
	return c.done
}

// benchPair is two embedded nodes that know each other.
func benchPair(b *testing.B) (*Mesh, *counter) {
	addrs := ports(2)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	heard := &counter{}
	var all []*Mesh
	for i, addr := range addrs {
		m, err := Open(Config{Node: []string{"a", "b"}[i], Listen: addr, Routes: addrs, Secret: testSecret,
			Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, m)
		wg.Go(func() {
			_ = m.Run(ctx, Deps{Listener: heard, State: func() chat.NodeState { return chat.NodeState{} }})
		})
	}
	b.Cleanup(func() { cancel(); wg.Wait() })
	for len(all[0].Nodes()) < 2 || len(all[1].Nodes()) < 2 {
		time.Sleep(10 * time.Millisecond)
	}
	return all[0], heard
}

// BenchmarkOneTiding is the time of one tiding to another node, when idle.
func BenchmarkOneTiding(b *testing.B) {
	m, heard := benchPair(b)
	t := chat.Tiding{Kind: chat.TidingFrames, Body: make([]byte, 300)}
	for b.Loop() {
		done := heard.expect(1)
		m.ToAll(t)
		<-done
	}
}

// BenchmarkManyTidings is their rate, a thousand at a time.
func BenchmarkManyTidings(b *testing.B) {
	m, heard := benchPair(b)
	t := chat.Tiding{Kind: chat.TidingFrames, Body: make([]byte, 300)}
	for b.Loop() {
		done := heard.expect(1000)
		for range 1000 {
			m.ToAll(t)
		}
		<-done
	}
}

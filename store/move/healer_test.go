package move

import (
	"context"
	"sync"
	"testing"
	"time"

	"gori/shard"
	"gori/store"
)

// A node stands still just when it is to heal a fence: another one does it.
func TestAHealerThatStandsStillIsReplaced(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.fill([]shard.Partition{1}, 8)
	e := p.another(atStep("fenced", func() { panic(killed{}) }))
	if _, err, died := run(t, e, 1); err != nil || !died {
		t.Fatal(err, died)
	}
	holds, wakes := make(chan struct{}), make(chan struct{})
	var once sync.Once
	still := p.another(func(c *Config) {
		c.DSN = func(id shard.ID) (string, error) {
			if id == dst {
				once.Do(func() { close(holds) })
				<-wakes
			}
			return p.dsns[id] + " user=" + store.MoverRole, nil
		}
	})
	ctx, stop := context.WithCancel(t.Context())
	var nodes sync.WaitGroup
	defer nodes.Wait()
	defer stop()
	nodes.Go(func() { still.watch(ctx, src) })
	<-holds
	nodes.Go(func() { p.watch(ctx, src) })
	for began := time.Now(); p.states(1) != "active incoming"; time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			close(wakes)
			t.Fatal("no other node heals it:", p.states(1))
		}
	}
	p.mustWrite(src, 1, "UPDATE data.users SET lang = 'ko' WHERE partition = 1")
	p.move(1)
	close(wakes)
	stop()
	nodes.Wait()
	p.wantStates("gone active", 1)
}

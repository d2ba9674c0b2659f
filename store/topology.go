package store

import (
	"context"
	"slices"
	"sync"

	"gori/shard"
)

// topology is which shards this node uses at one time. It is immutable; a new
// one replaces it when the ring document says so. A shard keeps its slot for as
// long as this process lives, also when it goes and comes again, so that what
// was read from the routes a moment ago is never another shard.
type topology struct {
	slots   []*shardConn // by slot; nil: not used any more
	ids     []shard.ID   // by slot
	live    []*shardConn // those in use
	ring    *shard.Ring  // what is followed; nil: only the configuration is known
	changed chan struct{}
}

// newTopology makes the snapshot after old in which slots are used.
func newTopology(slots []*shardConn, ids []shard.ID, ring *shard.Ring) *topology {
	t := &topology{slots: slots, ids: ids, ring: ring, changed: make(chan struct{})}
	for _, sh := range slots {
		if sh != nil {
			t.live = append(t.live, sh)
		}
	}
	return t
}

// find returns the shard in use that has this name, nil if there is none.
func (t *topology) find(id shard.ID) *shardConn {
	if i := slices.Index(t.ids, id); i >= 0 {
		return t.slots[i]
	}
	return nil
}

// slotOf returns the slot that id has or would get.
func (t *topology) slotOf(id shard.ID) int {
	if i := slices.Index(t.ids, id); i >= 0 {
		return i
	}
	return len(t.ids)
}

// with is t with sh in its slot.
func (t *topology) with(sh *shardConn) *topology {
	slots, ids := slices.Clone(t.slots), slices.Clone(t.ids)
	if sh.slot == len(slots) {
		slots, ids = append(slots, nil), append(ids, sh.id)
	}
	slots[sh.slot] = sh
	return newTopology(slots, ids, t.ring)
}

// without is t with the slot of sh empty.
func (t *topology) without(sh *shardConn) *topology {
	slots := slices.Clone(t.slots)
	slots[sh.slot] = nil
	return newTopology(slots, t.ids, t.ring)
}

// shards returns the shards in use. The slice must not be changed.
func (s *Store) shards() []*shardConn { return s.topo.Load().live }

// at returns the shard in a slot of routes that were loaded before, nil if it
// is not used any more.
func (s *Store) at(slot int16) *shardConn {
	if slot == unknownOwner {
		return nil
	}
	return s.topo.Load().slots[slot]
}

// replace puts the next topology in the place of the present one. Only the
// keeper of the ring does so, and Open before it runs.
func (s *Store) replace(next *topology) {
	old := s.topo.Swap(next)
	if old != nil {
		close(old.changed)
	}
}

// onShards runs do for every shard in use and for each that comes, side by side.
// The context of do ends when ctx does or its shard goes. It returns when ctx
// has ended and every do has returned.
func (s *Store) onShards(ctx context.Context, do func(ctx context.Context, sh *shardConn)) {
	var wg sync.WaitGroup
	running := map[*shardConn]bool{}
	for {
		t := s.topo.Load()
		for _, sh := range t.live {
			if running[sh] || !sh.life.enter() {
				continue
			}
			running[sh] = true
			wg.Go(func() {
				defer sh.life.leave()
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				defer context.AfterFunc(sh.life.ctx, cancel)()
				do(ctx, sh)
			})
		}
		for sh := range running {
			if t.find(sh.id) != sh {
				delete(running, sh)
			}
		}
		select {
		case <-ctx.Done():
			wg.Wait()
			return
		case <-t.changed:
		}
	}
}

// lifetime is how long a shard is used.
type lifetime struct {
	ctx    context.Context
	cancel context.CancelFunc

	mu    sync.Mutex
	ended bool
	users sync.WaitGroup
}

func newLifetime() *lifetime {
	l := &lifetime{}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// enter adds a user, unless the life has ended.
func (l *lifetime) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.users.Add(1)
	return true
}

func (l *lifetime) leave() { l.users.Done() }

// end tells all users to finish and waits for them.
func (l *lifetime) end() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.cancel()
	l.users.Wait()
}

// retire ends the use of a shard that is not in the topology any more: whatever
// works for it finishes, then its connections are closed.
func (s *Store) retire(sh *shardConn) {
	sh.life.end()
	if sh.revoked.behind.Load() {
		s.revokedLost.Store(true)
	}
	sh.close()
}

// close ends the connections of a shard that nobody works for any more.
func (sh *shardConn) close() {
	sh.revoked.close()
	sh.pool().Close() // waits for what is still read
	sh.goDown(errShardDown)
}

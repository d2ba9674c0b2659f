package local

import (
	"context"
	"sync"
	"time"

	"gori/shard"
)

// Standbys says whether each shard has, or is being given, a standby.
func (c *Cluster) Standbys() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.standbys
}

// SetRings gives the cluster the ring document, without which no standby is
// promoted. It is called before Start.
func (c *Cluster) SetRings(r Rings) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rings = r
	for _, p := range c.pairs {
		p.rings = r
	}
}

// OnChange has told called after a shard's primary or standby has changed. It
// must not block.
func (c *Cluster) OnChange(told func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = told
}

func (c *Cluster) tell() {
	c.mu.Lock()
	told := c.told
	c.mu.Unlock()
	if told != nil {
		told()
	}
}

// Instances returns every instance by its own name, in any role: a shard's
// second one is NAME.2. This is what "@NAME" in the ring means.
func (c *Cluster) Instances() []Shard {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []Shard
	for _, in := range c.instances {
		list = append(list, instanceOf(in))
		if p := c.pairs[in.ID()]; p != nil {
			list = append(list, instanceOf(p.second))
		}
	}
	return list
}

func instanceOf(in *Instance) Shard {
	return Shard{ID: in.ID(), DSN: in.DSN(Database), PID: in.PID()}
}

// AwaitPairs waits until what the ring says of each pair has been carried out
// once, which a start that follows a crash may have to do; but not longer than
// patience.
func (c *Cluster) AwaitPairs(ctx context.Context, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !c.settled() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (c *Cluster) settled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pairs {
		if !p.isSettled() {
			return false
		}
	}
	return true
}

// paired says whether a shard is, or was, one of two instances.
func (c *Cluster) paired(s dataShard) bool { return c.standbys || s.Primary != "" || c.wasPaired(s.ID) }

// wasPaired says whether a second instance is still there to be taken out.
func (c *Cluster) wasPaired(id string) bool {
	second := &Instance{cfg: Config{Dir: c.instanceDir(id + shard.SecondSuffix)}}
	return second.Exists()
}

// pairUp makes the pair of the shard whose first instance is in. mu need not be
// held before Start.
func (c *Cluster) pairUp(in *Instance, s dataShard) error {
	id := in.ID()
	second, err := New(Config{ID: id + shard.SecondSuffix, Dir: c.instanceDir(id + shard.SecondSuffix), Throwaway: c.throwaway, Paired: true,
		SharedBuffersMB: in.cfg.SharedBuffersMB, Notice: c.noticeFor(id)})
	if err != nil {
		return err
	}
	in.cfg.Paired = true
	primary, standby := in, second
	if s.Primary == second.ID() {
		primary, standby = second, in
	}
	p := newPair(shard.ID(id), primary, standby)
	p.second, p.log, p.rings, p.off, p.told = second, c.logger, c.rings, !c.standbys, c.tell
	p.note = func(primary string) error {
		return c.note(func(f *dataFile) {
			for i := range f.Shards {
				if f.Shards[i].ID == id {
					f.Shards[i].Primary = primary
				}
			}
		})
	}
	c.pairs[id] = p
	return nil
}

// startPair starts both instances. The standby must not be missing for long:
// the primary may wait for it. A primary that does not start is not the end of
// everything: its standby may take over.
func (c *Cluster) startPair(ctx context.Context, p *pair) error {
	primary, standby := p.roles()
	var wg sync.WaitGroup
	if standby.IsStandby() && !p.off {
		wg.Go(func() {
			if err := standby.Start(ctx); err != nil && ctx.Err() == nil {
				c.logger.Warn("the standby does not start", "shard", p.id, "error", err)
			}
		})
	}
	err := c.startAlone(ctx, primary)
	wg.Wait()
	if err == nil {
		p.sure.Store(false)
		return nil
	}
	if ctx.Err() != nil || standby.PID() == 0 || c.rings == nil {
		return err
	}
	c.logger.Error("PostgreSQL does not start", "shard", p.id, "instance", primary.ID(), "error", err)
	return nil
}

// checkStandbys notes whether shards have standbys, which the caller may wish
// to be otherwise.
func (c *Cluster) checkStandbys(file *dataFile, want *bool) error {
	if want != nil && *want != file.Standby {
		file.Standby = *want
		if err := writeDataFile(c.dir, file); err != nil {
			return err
		}
	}
	c.standbys = file.Standby
	return nil
}

// removeSecond takes the second instance of a shard out that goes as a whole. Its
// data is removed, but for that of the primary, which is moved aside like any.
func (c *Cluster) removeSecond(ctx context.Context, id string, purge bool) error {
	c.mu.Lock()
	p := c.pairs[id]
	delete(c.pairs, id)
	c.mu.Unlock()
	if p == nil {
		return nil
	}
	primary, _ := p.roles()
	if purge || primary != p.second {
		return p.second.Remove(ctx)
	}
	p.second.Stop(ctx)
	_, err := c.moveAside(p.second.ID())
	return err
}

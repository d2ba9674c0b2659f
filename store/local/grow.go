package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gori/shard"
)

// ErrNotStarted says that a cluster is not running, or not any more.
var ErrNotStarted = errors.New("the instances do not run")

// ErrNoInstance says that the data folder has no instance of that name.
var ErrNoInstance = errors.New("there is no such instance in the data folder")

// supervision is the goroutine that keeps one instance running.
type supervision struct {
	stop  context.CancelFunc
	ended chan struct{}
}

// superviseLocked keeps in running until the cluster stops or the supervision
// is stopped. mu is held.
func (c *Cluster) superviseLocked(in *Instance) {
	life, stop := context.WithCancel(c.life)
	s := supervision{stop: stop, ended: make(chan struct{})}
	c.supervisors[in.ID()] = s
	p := c.pairs[in.ID()]
	c.wg.Go(func() {
		defer close(s.ended)
		if p != nil {
			p.run(life)
			return
		}
		c.supervise(life, in)
	})
}

// Add makes one more instance, runs it and keeps it running. What it does can be
// done again at any time and after any crash: an instance that is there already
// is only started. The folder's file names it first, so that one that is half made is
// finished by the next start of the cluster or the same call. Add and Remove are
// called one after the other.
func (c *Cluster) Add(ctx context.Context, id string) (Shard, error) {
	if err := shard.ID(id).Check(); err != nil {
		return Shard{}, err
	}
	c.mu.Lock()
	in, running := c.find(id), c.life != nil && c.life.Err() == nil
	count := len(c.instances)
	c.mu.Unlock()
	if !running {
		return Shard{}, ErrNotStarted
	}
	if in == nil {
		var err error
		if in, err = c.make(id, count); err != nil {
			return Shard{}, err
		}
	}
	if err := c.startOne(ctx, in); err != nil {
		return Shard{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.Err() != nil {
		return Shard{}, ErrNotStarted
	}
	if _, is := c.supervisors[id]; !is {
		c.superviseLocked(in)
	}
	return c.shardOf(in), nil
}

// make notes and prepares one more instance. From then on Stop ends it, whatever
// comes.
func (c *Cluster) make(id string, count int) (*Instance, error) {
	if count >= maxLocalShards {
		return nil, fmt.Errorf("one host runs %d shards at most", maxLocalShards)
	}
	// Before anything is written, as at the beginning.
	if _, err := FindBinaries(0); err != nil {
		return nil, err
	}
	if err := needSpace(c.dir, newInstanceBytes); err != nil {
		return nil, err
	}
	// What lies there is of one that was taken out, by a command that did not
	// come to its end: the file does not name it.
	if err := c.putAside(id); err != nil {
		return nil, err
	}
	err := c.note(func(f *dataFile) {
		if !slices.ContainsFunc(f.Shards, func(s dataShard) bool { return s.ID == id }) {
			f.Shards = append(f.Shards, dataShard{ID: id})
		}
	})
	if err != nil {
		return nil, err
	}
	in, err := c.newInstance(id)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.standbys {
		if err := c.pairUp(in, dataShard{ID: id}); err != nil {
			return nil, err
		}
	}
	c.instances = append(slices.Clone(c.instances), in)
	return in, nil
}

// Remove stops an instance and takes it out. Its data is moved aside in the data
// folder, or deleted if purge says so; it returns where it lies now. Whether
// anybody still needs the instance is for the caller to know.
func (c *Cluster) Remove(ctx context.Context, id string, purge bool) (string, error) {
	c.mu.Lock()
	in, s := c.find(id), c.supervisors[id]
	last := len(c.instances) == 1
	c.mu.Unlock()
	if in == nil {
		return "", fmt.Errorf("%w: %s", ErrNoInstance, id)
	}
	if last {
		return "", fmt.Errorf("shard %s is the last one of the data folder", id)
	}
	if s.stop != nil {
		s.stop()
		<-s.ended
	}
	if err := c.removeSecond(ctx, id, purge); err != nil {
		return "", err
	}
	in.Stop(ctx)
	err := c.note(func(f *dataFile) {
		f.Shards = slices.DeleteFunc(f.Shards, func(s dataShard) bool { return s.ID == id })
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		// It stays, so it is to run.
		if s.stop != nil && c.life.Err() == nil {
			c.superviseLocked(in)
		}
		return "", err
	}
	delete(c.supervisors, id)
	c.instances = slices.DeleteFunc(slices.Clone(c.instances), func(other *Instance) bool { return other == in })
	if purge {
		return "", os.RemoveAll(in.cfg.Dir)
	}
	return c.moveAside(id)
}

// putAside moves what lies in the folder of a shard that is not named out of the
// way; mostly there is nothing.
func (c *Cluster) putAside(id string) error {
	dir := c.instanceDir(id)
	// Two instances may not work on one folder, nor may one that was forgotten.
	if len(serversIn(filepath.Join(dir, "pg"))) > 0 {
		return fmt.Errorf("a PostgreSQL that is not ours runs on %s: stop it first", dir)
	}
	if _, err := os.Lstat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	_, err := c.moveAside(id)
	return err
}

func (c *Cluster) moveAside(id string) (string, error) {
	dir := c.instanceDir(id)
	aside := dir + ".removed-" + c.now().UTC().Format("20060102-150405")
	for n := 2; ; n++ {
		if _, err := os.Lstat(aside); errors.Is(err, os.ErrNotExist) {
			break
		}
		aside = fmt.Sprintf("%s.removed-%s-%d", dir, c.now().UTC().Format("20060102-150405"), n)
	}
	if err := os.Rename(dir, aside); err != nil {
		return "", fmt.Errorf("move the data of shard %s aside: %w", id, err)
	}
	return aside, nil
}

// note changes what the folder's file says.
func (c *Cluster) note(change func(*dataFile)) error {
	file, err := readDataFile(c.dir)
	if err != nil {
		return err
	}
	if file == nil {
		return fmt.Errorf("%s is gone", filepath.Join(c.dir, dataFileName))
	}
	change(file)
	if err := writeDataFile(c.dir, file); err != nil {
		return fmt.Errorf("note what the data folder holds: %w", err)
	}
	return nil
}

func (c *Cluster) find(id string) *Instance {
	for _, in := range c.instances {
		if in.ID() == id {
			return in
		}
	}
	return nil
}

func (c *Cluster) instanceDir(id string) string { return filepath.Join(c.dir, "shards", id) }

func (c *Cluster) newInstance(id string) (*Instance, error) {
	return New(Config{ID: id, Dir: c.instanceDir(id), Throwaway: c.throwaway, Notice: c.noticeFor(id)})
}

func (c *Cluster) shardOf(in *Instance) Shard {
	p := c.pairs[in.ID()]
	if p == nil {
		return instanceOf(in)
	}
	primary, standby := p.roles()
	s := instanceOf(primary)
	s.ID, s.Standby, s.Sync = in.ID(), standby.PID(), p.isSync()
	return s
}

// setClock sets the time by which folders are named.
func (c *Cluster) setClock(now func() time.Time) {
	c.now = now
	if c.now == nil {
		c.now = time.Now
	}
}

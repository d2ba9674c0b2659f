package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// ErrInUse says that another process works on the same data folder.
var ErrInUse = errors.New("the data folder is in use")

// ErrReshard says that the number of shards differs from the data's.
var ErrReshard = errors.New("the number of shards of existing data is changed by `gori reshard`, not by --shards")

// maxLocalShards bounds what one host is asked to run.
const maxLocalShards = 64

// ClusterConfig describes the instances of one data folder.
type ClusterConfig struct {
	Dir     string // the data folder; made if missing
	Shards  int    // for new data; with existing data 0 or its own number
	Version string // of this program, noted in new data
	Logger  *slog.Logger
	Now     func() time.Time // default time.Now
	// Standby says whether each shard is to have a standby; nil: as before.
	Standby *bool
}

// Shard is one shard as other parts see it: its primary.
type Shard struct {
	ID  string `json:"id"`
	DSN string `json:"dsn"`
	PID int    `json:"pid"`
	// Standby is the process of its standby, 0 if none runs; Sync says that it has
	// every acknowledged write.
	Standby int  `json:"standby,omitempty"`
	Sync    bool `json:"sync,omitempty"`
}

// Database is the name of Gori's database in each instance.
const Database = "gori"

// Cluster is the set of instances of one data folder. Open takes the folder,
// Start starts every instance and its supervisor, Stop stops all and gives the
// folder back.
type Cluster struct {
	dir    string
	logger *slog.Logger
	now    func() time.Time
	lock   *os.File
	isNew  bool
	// throwaway is for tests whose data may be lost.
	throwaway bool

	mu          sync.Mutex
	instances   []*Instance            // guarded by mu; replaced, never changed
	supervisors map[string]supervision // guarded by mu, by shard
	life        context.Context        // guarded by mu: that of the supervisors; nil before Start
	stop        context.CancelFunc     // guarded by mu: ends the supervisors; nil before Start
	wg          sync.WaitGroup         // the supervisors

	standbys bool             // guarded by mu
	pairs    map[string]*pair // guarded by mu: the shards of two instances
	rings    Rings            // guarded by mu; nil: nothing is promoted
	told     func()           // guarded by mu
}

// Open takes the data folder, makes it if need be, and prepares its instances.
// It refuses a folder in use, data of a newer format and a changed number of
// shards. Close or Stop gives the folder back.
func Open(cfg ClusterConfig) (*Cluster, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, logger: cfg.Logger, lock: lock, supervisors: map[string]supervision{}, pairs: map[string]*pair{}}
	c.setClock(cfg.Now)
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	if err := c.prepare(cfg); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) prepare(cfg ClusterConfig) error {
	file, err := readDataFile(c.dir)
	if err != nil {
		return err
	}
	switch {
	case file == nil:
		if cfg.Shards < 1 || cfg.Shards > maxLocalShards {
			return fmt.Errorf("a new system has 1 to %d shards, not %d", maxLocalShards, cfg.Shards)
		}
		// Both before anything is written: a host without PostgreSQL or space
		// is left as it was.
		if _, err := FindBinaries(0); err != nil {
			return err
		}
		if err := needSpace(c.dir, uint64(cfg.Shards)*newInstanceBytes); err != nil {
			return err
		}
		c.isNew = true
		file = &dataFile{Format: formatVersion, MadeBy: cfg.Version, MadeAt: c.now().UTC(), Shards: firstIDs(cfg.Shards)}
		if err := writeDataFile(c.dir, file); err != nil {
			return fmt.Errorf("note what the data folder holds: %w", err)
		}
	case cfg.Shards != 0 && cfg.Shards != len(file.Shards):
		return fmt.Errorf("%w: %s has %d shards, --shards says %d", ErrReshard, c.dir, len(file.Shards), cfg.Shards)
	}
	if err := c.checkStandbys(file, cfg.Standby); err != nil {
		return err
	}
	for _, s := range file.Shards {
		in, err := c.newInstance(s.ID)
		if err != nil {
			return err
		}
		c.instances = append(c.instances, in)
		if c.paired(s) {
			if err := c.pairUp(in, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// noticeFor passes on what an owner must see at once; the rest is in the
// instance's log file.
func (c *Cluster) noticeFor(id string) func(string) {
	var last time.Time
	return func(line string) {
		if !diskFullLine(line) || time.Since(last) < 10*time.Second {
			return
		}
		last = time.Now()
		c.logger.Error("the disk is full: sends to this shard fail until space is freed", "shard", id)
	}
}

// New says whether the data folder was empty before.
func (c *Cluster) New() bool { return c.isNew }

// Dir returns the absolute data folder.
func (c *Cluster) Dir() string { return c.dir }

// Shards returns the instances in the order in which the folder's file names
// them, with their addresses.
func (c *Cluster) Shards() []Shard {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []Shard
	for _, in := range c.instances {
		list = append(list, c.shardOf(in))
	}
	return list
}

// Start makes what is missing, starts every instance and keeps them running
// until Stop. It returns when all take connections, or stops what it started.
func (c *Cluster) Start(ctx context.Context) error {
	c.mu.Lock()
	all := c.instances
	c.mu.Unlock()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for n, in := range all {
		wg.Go(func() { errs[n] = c.startOne(ctx, in) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		c.stopInstances(context.WithoutCancel(ctx))
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.life, c.stop = context.WithCancel(context.WithoutCancel(ctx))
	for _, in := range all {
		c.superviseLocked(in)
	}
	return nil
}

func (c *Cluster) startOne(ctx context.Context, in *Instance) error {
	c.mu.Lock()
	p := c.pairs[in.ID()]
	c.mu.Unlock()
	if p != nil {
		return c.startPair(ctx, p)
	}
	return c.startAlone(ctx, in)
}

func (c *Cluster) startAlone(ctx context.Context, in *Instance) error {
	if err := in.Init(ctx); err != nil {
		return err
	}
	if err := in.Start(ctx); err != nil {
		return err
	}
	if err := in.CreateDatabase(ctx, Database); err != nil {
		return fmt.Errorf("make the database of shard %s: %w", in.ID(), err)
	}
	return nil
}

// supervise starts in again whenever it has ended, until life ends.
func (c *Cluster) supervise(life context.Context, in *Instance) {
	var wait Backoff
	begun := time.Now()
	for {
		// Done is nil after a failed start; then there is nothing to wait for.
		if done := in.Done(); done != nil {
			select {
			case <-life.Done():
				return
			case <-done:
			}
		}
		pause := wait.Next(time.Since(begun))
		c.logger.Warn("PostgreSQL ended; starting it again", "shard", in.ID(), "in", pause)
		select {
		case <-life.Done():
			return
		case <-time.After(pause):
		}
		begun = time.Now()
		if err := in.Start(life); err != nil {
			if life.Err() == nil {
				c.logger.Error("PostgreSQL does not start", "shard", in.ID(), "error", err)
			}
			continue
		}
		c.logger.Info("PostgreSQL runs again", "shard", in.ID(), "pid", in.PID(), "after", time.Since(begun).Round(time.Millisecond))
	}
}

// Stop ends the supervisors, then all instances side by side, and gives the
// folder back. When ctx ends it stops waiting for a clean shutdown. It may be
// called more than once.
func (c *Cluster) Stop(ctx context.Context) {
	c.mu.Lock()
	if c.stop != nil {
		c.stop()
	}
	c.mu.Unlock()
	c.wg.Wait()
	c.stopInstances(ctx)
	c.Close()
}

func (c *Cluster) stopInstances(ctx context.Context) {
	c.mu.Lock()
	all := slices.Clone(c.instances)
	for _, p := range c.pairs {
		all = append(all, p.second)
	}
	c.mu.Unlock()
	var wg sync.WaitGroup
	for _, in := range all {
		wg.Go(func() { in.Stop(ctx) })
	}
	wg.Wait()
}

// Close gives the folder back without touching the instances. Stop does it too.
func (c *Cluster) Close() {
	if c.lock != nil {
		_ = c.lock.Close()
		c.lock = nil
	}
}

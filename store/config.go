package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"gori/chat"
	"gori/shard"
)

// ShardConfig names one shard and where it is.
type ShardConfig struct {
	ID  shard.ID
	DSN string // URL or key=value form, as libpq takes it
	// Standby is asked for the ring document when DSN does not answer: it may be
	// the primary by now. Empty: none.
	Standby string
}

// Config is what a Store needs. Zero values mean the defaults named here.
type Config struct {
	// Shards are where the ring is learnt from; then it decides which shards
	// there are and where.
	Shards []ShardConfig

	// Resolve turns an address of the ring into one to connect to. It is called
	// often, so that what has changed is noticed. Default: "@NAME" is that of
	// Shards, all else is the address itself.
	Resolve func(addr string) (dsn string, err error)

	// OnInbox hears of inbox entries that changed, after their commit. It is
	// called from several goroutines and must not block.
	OnInbox func([]chat.InboxNotice)

	// OnWake hears that pushes are due at once. It must not block.
	OnWake func()

	Logger *slog.Logger                                                      // default: silent
	Clock  func() time.Time                                                  // default: time.Now
	Rand   io.Reader                                                         // default: crypto/rand
	Dial   func(ctx context.Context, network, addr string) (net.Conn, error) // default: net.Dialer

	PoolSize     int           // connections of a shard besides those of the writers; default 8
	Writers      int           // append writers of a shard, 1 to 4; default 1: fewer make larger batches, which cost less
	QueueDrafts  int           // drafts waiting for one writer; default 8192
	QueueBytes   int           // bytes of bodies waiting for one writer; default 64 MiB
	BatchDrafts  int           // drafts of one transaction; default 256
	BatchBytes   int           // bytes of bodies of one transaction; default 2 MiB
	RosterIDs    int           // member ids kept in memory; default 2,000,000
	PingEvery    time.Duration // how often a shard is asked whether it lives; default 300 ms
	PingTimeout  time.Duration // silence after which it counts as down; default 600 ms
	FindTimeout  time.Duration // how long a search by name waits for the slowest shard; default 700 ms
	WritePace    time.Duration // under load, at least this long from the beginning of one append transaction of a writer to the next; default 20 ms, negative: none
	InboxPace    time.Duration // at least this long from one inbox transaction of a shard to the next; default 150 ms, negative: none
	SweepEvery   time.Duration // how often left-over fan-outs are looked for; default 2 s
	SweepAge     time.Duration // age from which a fan-out counts as left over; default 5 s
	PushGrace    time.Duration // from a message to the first look whether its receiver needs a push; default 12 s, a little over presence's grace
	StrictGate   bool          // refuse rows of partitions that their transaction did not pass the gate for; for tests
	MovingBudget time.Duration // how long a send waits for a partition being handed over; default 300 ms
}

func (c Config) withDefaults() (Config, error) {
	if len(c.Shards) == 0 {
		return c, fmt.Errorf("a store needs at least one shard")
	}
	seen := map[shard.ID]bool{}
	for _, s := range c.Shards {
		if err := s.ID.Check(); err != nil {
			return c, err
		}
		if seen[s.ID] {
			return c, fmt.Errorf("shard %s is named twice", s.ID)
		}
		seen[s.ID] = true
	}
	if c.Resolve == nil {
		c.Resolve = c.resolve
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.OnInbox == nil {
		c.OnInbox = func([]chat.InboxNotice) {}
	}
	if c.OnWake == nil {
		c.OnWake = func() {}
	}
	orElse(&c.PoolSize, 8)
	orElse(&c.Writers, 1)
	orElse(&c.QueueDrafts, 8192)
	orElse(&c.QueueBytes, 64<<20)
	orElse(&c.BatchDrafts, 256)
	orElse(&c.BatchBytes, 2<<20)
	orElse(&c.RosterIDs, 2_000_000)
	orElse(&c.PingEvery, 300*time.Millisecond)
	orElse(&c.PingTimeout, 600*time.Millisecond)
	orElse(&c.FindTimeout, 700*time.Millisecond)
	orElse(&c.WritePace, 20*time.Millisecond)
	orElse(&c.InboxPace, 150*time.Millisecond)
	orElse(&c.SweepEvery, 2*time.Second)
	orElse(&c.SweepAge, 5*time.Second)
	orElse(&c.PushGrace, 12*time.Second)
	orElse(&c.MovingBudget, 300*time.Millisecond)
	if c.Writers < 1 || c.Writers > 4 || c.PoolSize < 1 {
		return c, fmt.Errorf("a shard has 1 to 4 writers and at least 1 pooled connection, not %d and %d", c.Writers, c.PoolSize)
	}
	return c, nil
}

// resolve is the default of Resolve.
func (c Config) resolve(addr string) (string, error) {
	name, named := strings.CutPrefix(addr, "@")
	if !named {
		return addr, nil
	}
	for _, s := range c.Shards {
		if string(s.ID) == name {
			return s.DSN, nil
		}
	}
	return "", fmt.Errorf("no instance %s is configured", name)
}

func orElse[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

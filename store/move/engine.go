package move

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
	"gori/store/gently"
)

// Config is what an Engine needs.
type Config struct {
	// DSN tells the address of a shard, for a role that may move (see
	// store.MoverRole). It is asked before each connection.
	DSN func(shard.ID) (string, error)
	// Shards tells all shards of the ring.
	Shards func() []shard.ID
	// Term tells the term of a shard's primary, so that a former one is not taken
	// for it; nil, or 0: any will do.
	Term   func(shard.ID) int64
	Budget time.Duration // of a fence; 0: 150 ms
	At     reshard.At
	Logger *slog.Logger // nil: silent
	Now    func() time.Time
	// Yield is told the processes of PostgreSQL on this host that read and write
	// much, so that they can be made to give way to those that serve people; nil:
	// nobody is.
	Yield func(pid int)
	// Free tells how many bytes are free where a local data folder is; nil, or
	// false: unknown.
	Free func(dataFolder string) (uint64, bool)
}

// Engine moves partitions. Its methods may be called at the same time.
type Engine struct {
	cfg Config
	log *slog.Logger

	lending lending
	commits commits

	mu      sync.Mutex
	weights map[shard.ID]weights // guarded by mu
}

var _ reshard.Backend = (*Engine)(nil)

const defaultBudget = 150 * time.Millisecond

// New makes an Engine. It connects only when it is used. Close it.
func New(cfg Config) *Engine {
	if cfg.Budget <= 0 {
		cfg.Budget = defaultBudget
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Engine{cfg: cfg, log: cfg.Logger, weights: map[shard.ID]weights{}}
}

const (
	dialPatience = 5 * time.Second
	// deadAfter ends the session of a mover that does nothing for so long, so
	// that the partitions it claimed are free again.
	deadAfter = "15s"
)

// dial connects to a shard. purpose is seen in pg_stat_activity.
func (e *Engine) dial(ctx context.Context, id shard.ID, purpose string, more ...string) (*pgx.Conn, error) {
	dsn, err := e.cfg.DSN(id)
	if err != nil {
		return nil, fmt.Errorf("shard %s: %w", id, err)
	}
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("shard %s: %w", id, err)
	}
	p := cfg.RuntimeParams
	p["application_name"] = "gori move " + purpose
	p["timezone"], p["datestyle"], p["intervalstyle"] = "UTC", "ISO", "postgres"
	p["extra_float_digits"], p["bytea_output"] = "1", "hex"
	p["jit"], p["max_parallel_workers_per_gather"] = "off", "0"
	p["client_min_messages"] = "error"
	p["default_transaction_isolation"] = "read committed"
	// A mover that hangs, or whose host is gone, must not hold locks for long.
	p["idle_in_transaction_session_timeout"] = deadAfter
	p["tcp_keepalives_idle"], p["tcp_keepalives_interval"], p["tcp_keepalives_count"] = "5", "2", "3"
	for i := 0; i+1 < len(more); i += 2 {
		p[more[i]] = more[i+1]
	}
	gently.Connect(&cfg.Config)
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("shard %s: %w", id, err)
	}
	if err := e.checkPrimary(ctx, conn, id); err != nil {
		hangUp(conn)
		return nil, fmt.Errorf("shard %s: %w", id, err)
	}
	return conn, nil
}

// checkPrimary refuses a server that is not the shard's primary.
func (e *Engine) checkPrimary(ctx context.Context, conn *pgx.Conn, id shard.ID) error {
	var found string
	var term, want int64
	var standby bool
	if err := conn.QueryRow(ctx, "SELECT shard_id, term, pg_is_in_recovery() FROM control.shard_self").Scan(&found, &term, &standby); err != nil {
		return err
	}
	if e.cfg.Term != nil {
		want = e.cfg.Term(id)
	}
	switch {
	case shard.ID(found) != id:
		return fmt.Errorf("the database at its address is that of shard %q", found)
	case standby:
		return errors.New("the server at its address is a standby")
	case want != 0 && term != want:
		return fmt.Errorf("the server at its address has term %d, the ring says %d", term, want)
	}
	return nil
}

// quick are the settings for statements that look up rows by their keys: never
// by reading a whole table, however small the table was when the statement was
// planned, or however little was known of it.
var quick = []string{
	"enable_seqscan", "off", "enable_hashjoin", "off", "enable_mergejoin", "off", "enable_material", "off",
	"plan_cache_mode", "force_generic_plan", "lock_timeout", "5s", "statement_timeout", "60s",
}

// lazy is for commits that nothing depends on: what a crash undoes of them ends
// the attempt that made them.
var lazy = []string{"synchronous_commit", "off"}

// bulk are those for statements that read or write much. What they learn of a
// table's size need not be exact.
var bulk = []string{"work_mem", "64MB", "statement_timeout", "1h", "lock_timeout", "10s", "plan_cache_mode", "force_custom_plan",
	"default_statistics_target", "10"}

// yield makes a connection give way to others, if it is to a server on this
// host.
func (e *Engine) yield(conn *pgx.Conn) {
	if e.cfg.Yield != nil && strings.HasPrefix(conn.Config().Host, "/") {
		e.cfg.Yield(int(conn.PgConn().PID()))
	}
}

// hangUp closes a connection, even when the caller's time is over.
func hangUp(conn *pgx.Conn) {
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// each connects to every shard of the ring at once, runs fn for one after the
// other, and returns which did not answer.
func (e *Engine) each(ctx context.Context, fn func(id shard.ID, conn *pgx.Conn) error) (down []shard.ID, err error) {
	ids := e.cfg.Shards()
	conns, errs := make([]*pgx.Conn, len(ids)), make([]error, len(ids))
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() { conns[i], errs[i] = e.lend(ctx, id, "look") })
	}
	wg.Wait()
	for i, id := range ids {
		if errs[i] == nil {
			errs[i] = fn(id, conns[i])
		}
		e.giveBack(conns[i], id, "look")
		if errs[i] != nil {
			e.log.Info("a shard did not answer", "shard", id, "error", errs[i])
			down = append(down, id)
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return down, errors.Join(errs...)
}

// weightsLast is how long estimates of rows are good.
const weightsLast = 30 * time.Second

// weights are the rows of a shard's partitions, as estimated at a time.
type weights struct {
	at   time.Time
	rows map[shard.Partition]int64
}

// weigh is the package's weigh for all partitions of a shard, not each time.
func (e *Engine) weigh(ctx context.Context, id shard.ID, conn *pgx.Conn) (map[shard.Partition]int64, error) {
	e.mu.Lock()
	known, there := e.weights[id]
	e.mu.Unlock()
	if there && e.cfg.Now().Sub(known.at) < weightsLast {
		return known.rows, nil
	}
	rows, err := weigh(ctx, conn, nil)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.weights[id] = weights{e.cfg.Now(), rows}
	return rows, nil
}

// Look implements reshard.Backend.
func (e *Engine) Look(ctx context.Context) (*reshard.Picture, error) {
	pic := &reshard.Picture{}
	var err error
	pic.Down, err = e.each(ctx, func(id shard.ID, conn *pgx.Conn) error {
		owners, err := ownersOf(ctx, conn, nil)
		if err != nil {
			return err
		}
		rows, err := e.weigh(ctx, id, conn)
		if err != nil {
			return err
		}
		for p, o := range owners {
			pic.Owners[p] = append(pic.Owners[p], reshard.Owner{Shard: id, State: o.state, Epoch: o.epoch, Peer: o.peer, Attempt: o.attempt, Cleaned: o.cleaned, FencedAt: o.fencedAt})
			if o.state == reshard.Active || o.state == reshard.Fencing {
				pic.Rows[p] = max(pic.Rows[p], rows[p])
			}
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if len(pic.Down) == len(e.cfg.Shards()) && err != nil {
		return nil, err
	}
	return pic, nil
}

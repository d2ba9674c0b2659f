package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"gori/shard"
)

// link is the way to a shard's primary: where it is and who has to answer there.
// It never changes; another one takes its place when the primary is elsewhere.
type link struct {
	dsn  string
	term int64 // of its seat; 0: not known yet, any will do
	cfg  *pgx.ConnConfig
	pool *pgxpool.Pool
}

// pool returns the connections to where the primary is now.
func (sh *shardConn) pool() *pgxpool.Pool { return sh.link.Load().pool }

// WrongShardError says that a database belongs to another shard.
type WrongShardError struct{ Want, Found shard.ID }

func (e *WrongShardError) Error() string {
	return fmt.Sprintf("the database given for shard %s is that of shard %s", e.Want, e.Found)
}

// WrongTermError says that a server has not the term of its shard's seat: it
// was the primary once, or is not yet.
type WrongTermError struct {
	Shard       shard.ID
	Want, Found int64
}

func (e *WrongTermError) Error() string {
	return fmt.Sprintf("the server that answers for shard %s has term %d, its seat in the ring has term %d", e.Shard, e.Found, e.Want)
}

// StandbyError says that the server at a primary's address only follows one.
type StandbyError struct{ Shard shard.ID }

func (e *StandbyError) Error() string {
	return fmt.Sprintf("the server that answers for shard %s is a standby", e.Shard)
}

// NoShardError says that a database is no shard yet: no Gori has been there.
type NoShardError struct{ Shard shard.ID }

func (e *NoShardError) Error() string {
	return fmt.Sprintf("the database given for shard %s has never been one", e.Shard)
}

// newLink prepares connections without opening any.
func (s *Store) newLink(ctx context.Context, id shard.ID, dsn string, term int64) (*link, error) {
	pc, err := s.connConfig(dsn)
	if err != nil {
		return nil, err
	}
	pc.ConnConfig.AfterConnect = func(ctx context.Context, conn *pgconn.PgConn) error { return checkPrimary(ctx, conn, id, term) }
	pc.MaxConns = int32(s.cfg.PoolSize)
	if term > 0 {
		pc.MinConns = 1
	}
	pc.MaxConnIdleTime = 5 * time.Minute
	pc.HealthCheckPeriod = 30 * time.Second
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), pc)
	if err != nil {
		return nil, err
	}
	return &link{dsn: dsn, term: term, cfg: pc.ConnConfig, pool: pool}, nil
}

// connConfig is how this node talks to any shard.
func (s *Store) connConfig(dsn string) (*pgxpool.Config, error) {
	pc, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	if s.cfg.Dial != nil {
		pc.ConnConfig.DialFunc = s.cfg.Dial
	}
	pc.ConnConfig.ConnectTimeout = max(2*time.Second, s.cfg.PingTimeout)
	pc.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	for k, v := range map[string]string{
		"application_name":                    "gori",
		"default_transaction_isolation":       "read committed",
		"statement_timeout":                   "10s",
		"lock_timeout":                        "3s",
		"idle_in_transaction_session_timeout": "3s",
		"timezone":                            "UTC",
		"jit":                                 "off",
		// Everything is a look-up by key; a plan made while a table was small
		// must not scan it when it has grown.
		"enable_seqscan":   "off",
		"enable_hashjoin":  "off",
		"enable_mergejoin": "off",
	} {
		pc.ConnConfig.RuntimeParams[k] = v
	}
	if s.cfg.StrictGate {
		pc.ConnConfig.RuntimeParams["gori.strict"] = "on"
	}
	return pc, nil
}

// checkPrimary refuses a new connection that leads elsewhere than to the primary
// of the shard in its present term.
func checkPrimary(ctx context.Context, conn *pgconn.PgConn, id shard.ID, term int64) error {
	res, err := conn.Exec(ctx, "SELECT shard_id, term, pg_is_in_recovery() FROM control.shard_self").ReadAll()
	if err != nil {
		return err
	}
	if len(res) != 1 || len(res[0].Rows) == 0 {
		return &NoShardError{Shard: id}
	}
	row := res[0].Rows[0]
	found, err := strconv.ParseInt(string(row[1]), 10, 64)
	switch {
	case err != nil:
		return err
	case shard.ID(row[0]) != id:
		return &WrongShardError{Want: id, Found: shard.ID(row[0])}
	case string(row[2]) != "f":
		return &StandbyError{Shard: id}
	case term != 0 && found != term:
		return &WrongTermError{Shard: id, Want: term, Found: found}
	}
	return nil
}

// relink makes the shard's connections lead to dsn from now on, where a primary
// of the given term is. What is under way on the old ones ends, as if the shard
// had gone down; the prober takes it up again once the new primary answers.
func (s *Store) relink(ctx context.Context, sh *shardConn, dsn string, term int64) error {
	old := sh.link.Load()
	if old.dsn == dsn && old.term == term {
		return nil
	}
	next, err := s.newLink(ctx, sh.id, dsn, term)
	if err != nil {
		return err
	}
	sh.link.Store(next)
	sh.goDown(errElsewhereNow)
	select {
	case sh.relinked <- struct{}{}:
	default:
	}
	s.wg.Go(old.pool.Close)
	return nil
}

var errElsewhereNow = errors.New("the shard's primary is elsewhere now")

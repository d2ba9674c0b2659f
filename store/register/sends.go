package register

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
)

// Sends carries what nodes tell of their sends to movers: rows on the first of
// the shards that answers. It is a reshard.Sends. Close it.
type Sends struct {
	shards func() []shard.ID
	dsn    func(shard.ID) (string, error)

	mu   sync.Mutex
	at   map[shard.ID]*onShard // guarded by mu; nil: closed
	last shard.ID              // guarded by mu: which had something to tell
}

// NewSends returns a Sends; shards names those of the ring, dsn tells where one
// is, for a role that may write to schema control.
func NewSends(shards func() []shard.ID, dsn func(shard.ID) (string, error)) *Sends {
	return &Sends{shards: shards, dsn: dsn, at: map[shard.ID]*onShard{}}
}

const (
	// tellWithin bounds one shard's answer.
	tellWithin = time.Second
	// A node that has gone tells nothing any more. Nothing of this has to last.
	sqlTell = `WITH lazily AS (SELECT set_config('synchronous_commit', 'off', true)),
			gone AS (DELETE FROM control.sends WHERE run <> $1 AND at < clock_timestamp() - interval '1 hour')
		INSERT INTO control.sends AS s (run, at, before, total) SELECT $1, clock_timestamp(), $2, $3 FROM lazily
		ON CONFLICT (run) DO UPDATE SET at = excluded.at, before = excluded.before, total = excluded.total`
	sqlTold = `SELECT run, before, total FROM control.sends WHERE at > clock_timestamp() - interval '2 seconds'`
)

// Tell writes what the node of this run has to tell.
func (s *Sends) Tell(ctx context.Context, run string, t reshard.Told) error {
	return s.first(ctx, func(ctx context.Context, _ shard.ID, conn *pgx.Conn) (bool, error) {
		_, err := conn.Exec(ctx, sqlTell, run, t.Before[:], t.All[:])
		return true, err
	})
}

// Told implements reshard.Sends.
func (s *Sends) Told(ctx context.Context) (map[string]reshard.Told, error) {
	told := map[string]reshard.Told{}
	err := s.first(ctx, func(ctx context.Context, id shard.ID, conn *pgx.Conn) (bool, error) {
		rows, err := conn.Query(ctx, sqlTold)
		if err != nil {
			return false, err
		}
		var run string
		var before, all []int64
		_, err = pgx.ForEachRow(rows, []any{&run, &before, &all}, func() error {
			var t reshard.Told
			// Another version of the program may have other ranges.
			if copy(t.Before[:], before) == len(t.Before) && copy(t.All[:], all) == len(t.All) {
				told[run] = t
			}
			return nil
		})
		return len(told) > 0, err
	})
	return told, err
}

// first does something on one shard after the other until one says that it is
// done; it begins with the one where it was last.
func (s *Sends) first(ctx context.Context, do func(context.Context, shard.ID, *pgx.Conn) (bool, error)) error {
	s.mu.Lock()
	ids := []shard.ID{s.last}
	s.mu.Unlock()
	var errs error
	for i, id := range append(ids, s.shards()...) {
		if i == 0 && id == "" || i > 0 && id == ids[0] {
			continue
		}
		done := false
		a, err := s.on(id)
		if err == nil {
			within, cancel := context.WithTimeout(ctx, tellWithin)
			err = a.with(within, func(conn *pgx.Conn) (err error) {
				done, err = do(within, id, conn)
				return err
			})
			cancel()
		}
		if err == nil && done {
			s.mu.Lock()
			s.last = id
			s.mu.Unlock()
			return nil
		}
		errs = errors.Join(errs, err)
	}
	return errs
}

func (s *Sends) on(id shard.ID) (*onShard, error) {
	dsn, err := s.dsn(id)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == nil {
		return nil, fmt.Errorf("this is closed")
	}
	a := s.at[id]
	if a == nil || a.dsn != dsn {
		if a != nil {
			a.close()
		}
		a = newOnShard(id, dsn)
		s.at[id] = a
	}
	return a, nil
}

// Close closes the connections.
func (s *Sends) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.at {
		a.close()
	}
	s.at = nil
}

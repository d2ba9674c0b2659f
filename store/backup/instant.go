package backup

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gori/shard"
)

const (
	defaultBudget = 150 * time.Millisecond
	defaultTries  = 30
	pauseMin      = 200 * time.Millisecond // between two tries, and up to five times as long
	owns          = "active"
)

// errAgain says that an instant did not come about and may at the next try.
var errAgain = errors.New("no instant at which all shards are whole")

// instant is how long writes had to wait for it.
type instant struct {
	at            time.Time
	pause, longer time.Duration // of the try that counts, and the longest of all
	tries         int
}

// agree begins one snapshot on each shard, all of one instant.
func agree(ctx context.Context, sources []*source, o Options) (instant, error) {
	var in instant
	for {
		in.tries++
		begun := o.Now()
		pause, err := freeze(ctx, sources, o)
		in.at, in.pause, in.longer = begun, pause, max(in.longer, pause)
		if err == nil || !errors.Is(err, errAgain) {
			return in, err
		}
		if in.tries == o.Tries {
			return in, fmt.Errorf("%w: after %d tries within the budget of %v: %w", errAgain, in.tries, o.Budget, err)
		}
		select {
		case <-ctx.Done():
			return in, ctx.Err()
		case <-time.After(pauseMin + rand.N(4*pauseMin)):
		}
	}
}

// freeze is one try. Whatever it returns, the gates are open afterwards, and
// without an error each reader is in a transaction with its snapshot.
func freeze(ctx context.Context, sources []*source, o Options) (pause time.Duration, err error) {
	// What can be done before the gates close.
	if err := each(sources, func(s *source) error { return s.prepare(ctx) }); err != nil {
		return 0, again(err)
	}
	if err := wholeSet(sources); err != nil {
		return 0, err
	}
	begun := time.Now()
	err = each(sources, func(s *source) error {
		if o.noGates {
			_, err := s.gatekeeper.Exec(ctx, "BEGIN")
			return err
		}
		return s.shut(ctx)
	})
	if err == nil {
		err = each(sources, func(s *source) error {
			if o.wait != nil {
				o.wait(s.ID)
			}
			return s.look(ctx)
		})
	}
	if spent := time.Since(begun); err == nil && spent > o.Budget {
		err = fmt.Errorf("%w: it took %v", errAgain, spent)
	}
	// Each shard's own answer tells that its gates were shut until here, after
	// all the snapshots: the server may have opened them by itself.
	opened := each(sources, func(s *source) error { return s.reopen(ctx, err == nil) })
	pause = time.Since(begun)
	if err == nil {
		err = opened
	}
	return pause, again(err)
}

// again marks what another try may cure: a lock not had in time, a session
// ended by the server.
func again(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && slices.Contains([]string{"57014", "55P03", "25P03", "40P01"}, pg.Code) && !errors.Is(err, errAgain) {
		return fmt.Errorf("%w: %w", errAgain, err)
	}
	return err
}

// prepare begins the transactions and reads which gates there are.
func (s *source) prepare(ctx context.Context) error {
	if _, err := s.reader.Exec(ctx, "ROLLBACK"); err != nil {
		return err
	}
	rows, err := s.reader.Query(ctx, "SELECT partition FROM control.partition_owner WHERE state = $1 ORDER BY partition", owns)
	if err != nil {
		return err
	}
	if s.owned, err = pgx.CollectRows(rows, pgx.RowTo[int32]); err != nil {
		return err
	}
	// It has no snapshot before its first query.
	if _, err := s.reader.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return err
	}
	if s.gatekeeper.IsClosed() {
		if s.gatekeeper, err = connect(ctx, s.ShardConfig, s.limits); err != nil {
			return err
		}
	}
	_, err = s.gatekeeper.Prepare(ctx, "shut", "SELECT pg_advisory_xact_lock(77, p) FROM unnest($1::int[]) p")
	return err
}

// shut closes the gates of a shard: writers inside finish, others wait.
func (s *source) shut(ctx context.Context) error {
	b := &pgx.Batch{}
	b.Queue("BEGIN")
	b.Queue("shut", s.owned)
	return s.gatekeeper.SendBatch(ctx, b).Close()
}

// look begins the snapshot, by reading what the shard says of itself.
func (s *source) look(ctx context.Context) error {
	var owned []int32
	err := s.reader.QueryRow(ctx, `SELECT coalesce(array_agg(partition ORDER BY partition) FILTER (WHERE state = $1), '{}'), coalesce(max(epoch), 1)
		FROM control.partition_owner`, owns).Scan(&owned, &s.epoch)
	if err == nil && !slices.Equal(owned, s.owned) {
		return fmt.Errorf("%w: a partition was moved just then", errAgain)
	}
	return err
}

// reopen opens the gates. With held it is an error if they were open before.
func (s *source) reopen(ctx context.Context, held bool) error {
	if !held {
		_, err := s.gatekeeper.Exec(context.WithoutCancel(ctx), "ROLLBACK")
		return err
	}
	tag, err := s.gatekeeper.Exec(ctx, "COMMIT")
	if err != nil || tag.String() != "COMMIT" {
		return fmt.Errorf("%w: the gates were not shut any more (%v)", errAgain, err)
	}
	return nil
}

// wholeSet makes sure that the shards together own each partition once.
func wholeSet(sources []*source) error {
	var n [shard.Partitions]int
	for _, s := range sources {
		for _, p := range s.owned {
			n[p]++
		}
	}
	for p := range n {
		if n[p] > 1 {
			return fmt.Errorf("partition %d has %d owners: see gori doctor", p, n[p])
		}
		if n[p] == 0 {
			return fmt.Errorf("%w: partition %d has no owner just then (is a shard missing, or its move stuck? see gori doctor)", errAgain, p)
		}
	}
	return nil
}

// each runs do for all sources side by side.
func each(sources []*source, do func(*source) error) error {
	return sideBySide(sources, func(s *source) shard.ID { return s.ID }, do)
}

// sideBySide runs do for all of list and joins what went wrong.
func sideBySide[T any](list []T, name func(T) shard.ID, do func(T) error) error {
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, one := range list {
		wg.Go(func() {
			if err := do(one); err != nil {
				errs[i] = fmt.Errorf("shard %s: %w", name(one), err)
			}
		})
	}
	wg.Wait()
	// Who was cancelled because of another's error has nothing to tell.
	told := slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return errors.Is(err, context.Canceled) })
	if err := errors.Join(told...); err != nil {
		return err
	}
	return errors.Join(errs...)
}

package store

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
)

// Whatever a committed change owes to rows of other partitions is an effect: a
// row of data.effects, written in the change's transaction, applied by the node
// that wrote it, deleted once applied. What a dead node or a shard that was
// down leaves behind is found by the sweepers of all nodes.
//
// Every effect is idempotent and may come late or twice: it carries the version
// of the state it tells of, and does nothing where a newer one is known. So no
// order between effects is needed.

const (
	effectStale    = 5 * time.Second // age from which any node may apply it
	effectPatience = 1 * time.Second // how long a caller waits for its own effects
	effectBackOff  = 5 * time.Minute // the longest pause between two tries
	sweepPage      = 64              // partitions looked at in one sweep of a shard
	sweepClaim     = 64              // effects claimed of one partition at once
	marksQueue     = 8192            // read marks waiting for the worker; more wait for the sweeper
	marksBatch     = 512
)

// debt is what an effect does. Its exported fields are its payload.
type debt interface {
	kind() string
	apply(ctx context.Context, s *Store) error
}

// debtKinds decodes payloads.
var debtKinds = map[string]func(payload []byte) (debt, error){
	founderEffect{}.kind():  decodeDebt[founderEffect],
	friendEffect{}.kind():   decodeDebt[friendEffect],
	muzzleEffect{}.kind():   decodeDebt[muzzleEffect],
	leftEffect{}.kind():     decodeDebt[leftEffect],
	readMarkEffect{}.kind(): decodeDebt[readMarkEffect],
	outEffect{}.kind():      decodeDebt[outEffect],
}

func decodeDebt[T debt](payload []byte) (debt, error) {
	var d T
	err := json.Unmarshal(payload, &d)
	return d, err
}

// effect is a debt with its row.
type effect struct {
	partition shard.Partition
	id        int64
	debt      debt
}

// effectState is what the engine keeps in memory.
type effectState struct {
	firstTaken atomic.Bool // someone is known to have been the first account
	start      sync.Once
	marks      chan effect // read marks on their way to their channels
}

func (e *effectState) queue() chan effect {
	e.start.Do(func() { e.marks = make(chan effect, marksQueue) })
	return e.marks
}

// owe writes debts into the transaction that causes them, which has passed the
// gate of p, and adds them to owed for carryOut after the commit.
func (s *Store) owe(ctx context.Context, tx pgx.Tx, p shard.Partition, owed *[]effect, debts ...debt) error {
	b := &pgx.Batch{}
	for _, d := range debts {
		e, err := s.queueDebt(b, p, d)
		if err != nil {
			return err
		}
		*owed = append(*owed, e)
	}
	return tx.SendBatch(ctx, b).Close()
}

// queueDebt is owe for one debt and a batch that the caller sends.
func (s *Store) queueDebt(b *pgx.Batch, p shard.Partition, d debt) (effect, error) {
	payload, err := json.Marshal(d)
	if err != nil {
		return effect{}, fmt.Errorf("encode effect %s: %w", d.kind(), err)
	}
	e := effect{partition: p, id: newID(s.now()), debt: d}
	b.Queue(sqlOwe, p, e.id, d.kind(), payload, s.now(), s.now().Add(effectStale))
	return e, nil
}

const sqlOwe = `INSERT INTO data.effects (partition, effect_id, kind, payload, made_at, next_at) VALUES ($1, $2, $3, $4, $5, $6)`

// carryOut applies effects whose rows are committed, before it returns or not
// at all: what fails or takes too long is left to the sweepers. It goes on when
// the caller's ctx ends.
func (s *Store) carryOut(ctx context.Context, owed []effect) {
	if len(owed) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), effectPatience)
	defer cancel()
	done := make([]effect, 0, len(owed))
	for _, e := range owed {
		if err := e.debt.apply(ctx, s); err != nil {
			s.log.Debug("an effect waits for the sweeper", "kind", e.debt.kind(), "error", err)
			continue
		}
		done = append(done, e)
	}
	s.forget(ctx, done)
}

// forget deletes the rows of effects that are applied. A failure only makes
// them happen again.
func (s *Store) forget(ctx context.Context, done []effect) {
	if len(done) == 0 {
		return
	}
	ids := map[shard.Partition][]int64{}
	for _, e := range done {
		ids[e.partition] = append(ids[e.partition], e.id)
	}
	err := s.writeEach(ctx, keysOf(ids), func(ctx context.Context, tx pgx.Tx, ps []shard.Partition) error {
		var parts []int32
		var effects []int64
		for _, p := range ps {
			for _, id := range ids[p] {
				parts, effects = append(parts, int32(p)), append(effects, id)
			}
		}
		_, err := tx.Exec(ctx, `DELETE FROM data.effects e USING unnest($1::int[], $2::bigint[]) AS d (partition, effect_id)
			WHERE e.partition = d.partition AND e.effect_id = d.effect_id`, parts, effects)
		return err
	})
	if err != nil {
		s.log.Debug("applied effects will be applied again", "count", len(done), "error", err)
	}
}

// runEffects carries read marks to their channels and sweeps stale effects. It
// returns when ctx has ended and its goroutines have.
func (s *Store) runEffects(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { s.carryMarks(ctx) })
	// So that a later sign-up does not depend on the shard that knows.
	wg.Go(func() { _, _ = s.Founded(ctx) })
	s.onShards(ctx, func(ctx context.Context, sh *shardConn) {
		for nap(ctx, s.cfg.SweepEvery) == nil {
			if err := s.sweepEffects(ctx, sh); err != nil && ctx.Err() == nil {
				s.log.Debug("sweep of effects", "shard", sh.id, "error", err)
			}
		}
	})
	wg.Wait()
}

// sweepEffects applies the stale effects that one shard keeps.
func (s *Store) sweepEffects(ctx context.Context, sh *shardConn) error {
	if !sh.isUp() {
		return nil
	}
	ctx, done, err := sh.during(ctx)
	if err != nil {
		return err
	}
	defer done()
	rows, err := sh.pool().Query(ctx, `SELECT DISTINCT partition FROM
		(SELECT partition FROM data.effects WHERE next_at <= $1 AND `+servedHere+` ORDER BY next_at LIMIT $2) e`,
		s.now(), sweepPage)
	if err != nil {
		return sh.settle(ctx, err)
	}
	parts, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return sh.settle(ctx, err)
	}
	for _, p := range parts {
		claimed, err := s.claimEffects(ctx, shard.Partition(p))
		if err != nil {
			return err
		}
		for _, e := range claimed {
			s.carryOut(ctx, []effect{e})
		}
	}
	return nil
}

// claimEffects takes stale effects of one partition and puts off their next
// try, so that other sweepers leave them alone meanwhile. Nothing is lost if
// this node dies now: they become stale again.
func (s *Store) claimEffects(ctx context.Context, p shard.Partition) ([]effect, error) {
	var claimed []effect
	err := s.write(ctx, p, func(ctx context.Context, tx pgx.Tx) error {
		claimed = nil
		rows, err := tx.Query(ctx, `UPDATE data.effects e SET attempts = attempts + 1,
				next_at = $2 + least($4::interval, $3::interval * power(2, least(attempts, 10)))
			WHERE partition = $1 AND effect_id IN (SELECT effect_id FROM data.effects
				WHERE partition = $1 AND next_at <= $2 ORDER BY next_at LIMIT $5 FOR UPDATE SKIP LOCKED)
			RETURNING effect_id, kind, payload`, p, s.now(), effectStale, effectBackOff, sweepClaim)
		if err != nil {
			return err
		}
		var id int64
		var kind string
		var payload []byte
		_, err = pgx.ForEachRow(rows, []any{&id, &kind, &payload}, func() error {
			decode, ok := debtKinds[kind]
			if !ok {
				s.log.Warn("an effect of a kind this gori does not know stays", "kind", kind)
				return nil
			}
			d, err := decode(payload)
			if err != nil {
				s.log.Warn("an effect that cannot be read stays", "kind", kind, "error", err)
				return nil
			}
			claimed = append(claimed, effect{partition: p, id: id, debt: d})
			return nil
		})
		return err
	})
	return claimed, err
}

package move

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
	"gori/store/schema"
)

// keeper holds a session's locks on one shard and shows that the mover lives: a
// session that says nothing for deadAfter is ended by PostgreSQL, and its locks
// are free. While partitions are fenced that is Engine.hurryAfter.
type keeper struct {
	mu      sync.Mutex
	conn    *pgx.Conn
	hurried bool
	soon    string // how soon the session ends when hurried
	once    sync.Once
	stop    chan struct{}
	done    chan struct{}
	lost    func(error)
}

const (
	hurrySlack = 550 * time.Millisecond // beyond the budget
	hurryBeat  = 150 * time.Millisecond
	calmBeats  = 20 // of hurryBeat
	beatLimit  = 10 * time.Second
)

// keep takes the schema's lock and those of partitions ps (none on a target), in
// a turn of the plan (0: in none).
func (e *Engine) keep(ctx context.Context, id shard.ID, turn int64, ps []int32, lost func(error)) (*keeper, error) {
	conn, err := e.dial(ctx, id, fmt.Sprintf("claim %d", turn), "idle_session_timeout", deadAfter, "statement_timeout", "10s")
	if err != nil {
		return nil, err
	}
	if err := schema.Hold(ctx, conn, id); err != nil {
		hangUp(conn)
		return nil, err
	}
	err = claim(ctx, conn, ps)
	var held *reshard.HeldError
	if errors.As(err, &held) {
		if err = displace(ctx, conn, turn, ps); err == nil {
			err = claim(ctx, conn, ps)
		}
	}
	if err != nil {
		hangUp(conn)
		return nil, err
	}
	k := &keeper{conn: conn, soon: e.hurryAfter(), stop: make(chan struct{}), done: make(chan struct{}), lost: lost}
	go k.run()
	return k, nil
}

// hurryAfter is how soon sessions that do nothing end while partitions are
// fenced: no sooner than the budget allows a fence to last.
func (e *Engine) hurryAfter() string {
	return fmt.Sprintf("%dms", (e.cfg.Budget + hurrySlack).Milliseconds())
}

// claim takes the mover's locks (78, p).
func claim(ctx context.Context, conn *pgx.Conn, ps []int32) error {
	rows, err := conn.Query(ctx, "SELECT p, pg_try_advisory_lock(78, p) FROM unnest($1::int[]) p", ps)
	if err != nil {
		return err
	}
	var p int32
	var got bool
	held := int32(-1)
	_, err = pgx.ForEachRow(rows, []any{&p, &got}, func() error {
		if !got && held < 0 {
			held = p
		}
		return nil
	})
	if err == nil && held >= 0 {
		err = &reshard.HeldError{Partition: shard.Partition(held)}
	}
	return err
}

func (k *keeper) run() {
	defer close(k.done)
	tick := time.NewTicker(hurryBeat)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-k.stop:
			return
		case <-tick.C:
		}
		if err := k.beat(n); err != nil {
			k.lost(fmt.Errorf("the claim was lost: %w", err))
			return
		}
	}
}

func (k *keeper) beat(n int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.hurried && n%calmBeats != 0 {
		return nil
	}
	return k.exec("SELECT 1")
}

func (k *keeper) exec(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), beatLimit)
	defer cancel()
	_, err := k.conn.Exec(ctx, sql)
	return err
}

// hurry makes the claim end soon after the mover does, or not any more.
func (k *keeper) hurry(on bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hurried = on
	after := deadAfter
	if on {
		after = k.soon
	}
	return k.exec("SET idle_session_timeout = '" + after + "'")
}

func (k *keeper) close() {
	if k == nil {
		return
	}
	k.once.Do(func() {
		close(k.stop)
		<-k.done
		hangUp(k.conn)
	})
}

package move

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gori/shard"
	"gori/shard/reshard"
)

// work is one attempt at a group; see reshard.Work.
type work struct {
	e        *Engine
	g        reshard.Group
	ps       []int32 // not switched yet, in order
	switched []int32 // active at the target already when this began
	attempt  int
	epochs   map[int32]shard.Epoch // at the source
	began    time.Time

	ctx  context.Context // ends when the claim is lost
	drop context.CancelCauseFunc

	keepS, keepT *keeper
	s, t         *pgx.Conn // for lookups by key
	bulkS, bulkT *pgx.Conn
	tables       []*statements
	byName       map[string]*statements

	touched  map[dirtyKey]int32          // keys to compare row by row, with their partitions
	watch    bool                        // whether keys are being noted in touched
	sums     map[int32]map[string]digest // of each table at the target
	counts   map[int32]*count            // of what was copied
	total    int64                       // rows there are to copy, estimated
	dirty    atomic.Int64
	loaded   bool // a Fill that failed is not repeated by the same work
	verified bool
}

// count is what was brought over of one partition.
type count struct{ rows, bytes, followed int64 }

// dirtyKey is a key as partition_dirty has it.
type dirtyKey struct{ table, key string }

var errZombie = errors.New("another attempt has taken over")

// sqlState returns PostgreSQL's code of an error, "" if it is not one.
func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// Begin implements reshard.Backend.
func (e *Engine) Begin(ctx context.Context, g reshard.Group) (reshard.Work, error) {
	if len(g.Partitions) == 0 || g.From == g.To {
		return nil, fmt.Errorf("nothing to move from %s to %s", g.From, g.To)
	}
	w := &work{e: e, g: g, ps: ints(g.Partitions), began: e.cfg.Now(), epochs: map[int32]shard.Epoch{},
		touched: map[dirtyKey]int32{}, sums: map[int32]map[string]digest{}, counts: map[int32]*count{}}
	slices.Sort(w.ps)
	w.ctx, w.drop = context.WithCancelCause(context.Background())
	if err := w.begin(ctx); err != nil {
		w.Close()
		return nil, err
	}
	e.cfg.At.Pass("claimed")
	return w, nil
}

// session is one of a work's, besides its claims.
type session struct {
	conn     **pgx.Conn
	id       shard.ID
	purpose  string
	settings []string
}

// sessions are all, those for lookups by key first.
func (w *work) sessions() []session {
	return []session{
		{&w.s, w.g.From, "source", slices.Concat(quick, lazy)}, {&w.t, w.g.To, "target", quick},
		{&w.bulkS, w.g.From, "read", slices.Concat(bulk, lazy)}, {&w.bulkT, w.g.To, "load", slices.Concat(bulk, lazy)},
	}
}

// connect makes all sessions. Those that read and write much give way to others.
func (w *work) connect(ctx context.Context) error {
	at := w.sessions()
	one := func(at session) (err error) {
		*at.conn, err = w.e.lend(ctx, at.id, at.purpose, at.settings...)
		return err
	}
	err := both(func() error { return cmp.Or(one(at[0]), one(at[2])) }, func() error { return cmp.Or(one(at[1]), one(at[3])) })
	if err != nil {
		return err
	}
	w.e.yield(w.bulkS)
	w.e.yield(w.bulkT)
	return nil
}

func (w *work) begin(ctx context.Context) (err error) {
	err = both(func() (err error) { w.keepS, err = w.e.keep(ctx, w.g.From, w.g.Turn, w.ps, w.drop); return err },
		func() (err error) { w.keepT, err = w.e.keep(ctx, w.g.To, w.g.Turn, nil, w.drop); return err })
	if err != nil {
		return err
	}
	if err := w.connect(ctx); err != nil {
		return err
	}
	if err := w.agree(ctx); err != nil {
		return err
	}
	if err := w.sort(ctx); err != nil {
		return err
	}
	if len(w.ps) == 0 {
		return nil
	}
	return w.raise(ctx)
}

// agree reads both catalogs and makes the statements.
func (w *work) agree(ctx context.Context) error {
	var from, to []*table
	err := both(func() (err error) { from, err = catalog(ctx, w.bulkS); return err },
		func() (err error) { to, err = catalog(ctx, w.bulkT); return err })
	if err != nil {
		return err
	}
	if trouble := compareCatalogs(w.g.From, w.g.To, from, to); len(trouble) > 0 {
		return &RefusedError{Reasons: trouble}
	}
	h, err := agreeOnHash(ctx, w.bulkS, w.bulkT)
	if err != nil {
		return err
	}
	learn(w.s, from)
	learn(w.t, to)
	w.byName = map[string]*statements{}
	for _, t := range to {
		st := newStatements(t, h)
		w.tables, w.byName[t.name] = append(w.tables, st), st
	}
	return nil
}

// both does one thing at each shard, at the same time.
func both(source, target func() error) error {
	done := make(chan error, 1)
	go func() { done <- source() }()
	err := target()
	return errors.Join(<-done, err)
}

// agreeOnHash chooses PostgreSQL's own hash if both sides compute it alike.
func agreeOnHash(ctx context.Context, s, t *pgx.Conn) (hasher, error) {
	var a, b [2]int64
	err := both(func() error { return s.QueryRow(ctx, probing).Scan(&a[0], &a[1]) },
		func() error { return t.QueryRow(ctx, probing).Scan(&b[0], &b[1]) })
	if err != nil {
		return hasher{}, err
	}
	if a == b && major(s) == major(t) {
		return fast, nil
	}
	return canonical, nil
}

// sort settles what an earlier mover left: it takes out of w.ps what is done.
func (w *work) sort(ctx context.Context) error {
	src, err := ownersOf(ctx, w.s, w.ps)
	if err != nil {
		return err
	}
	dst, err := ownersOf(ctx, w.t, w.ps)
	if err != nil {
		return err
	}
	var left []int32
	for _, p := range w.ps {
		s, t := src[shard.Partition(p)], dst[shard.Partition(p)]
		w.attempt = max(w.attempt, s.attempt, t.attempt)
		w.epochs[p] = s.epoch
		switch {
		case s.state == reshard.Fencing && t.state == reshard.Active && t.epoch > s.epoch:
			w.switched = append(w.switched, p)
		case t.state == reshard.Active && t.epoch > s.epoch && s.state == reshard.Gone && s.peer == w.g.To:
			// Done; there is nothing to return.
		case t.state == reshard.Active:
			return fmt.Errorf("partition %d is %s at %s and active at %s: not moved", p, orNone(s.state), w.g.From, w.g.To)
		case s.state == reshard.Active || s.state == reshard.Fencing:
			left = append(left, p)
		default:
			return fmt.Errorf("partition %d is %s at %s: there is nothing to move from there", p, orNone(s.state), w.g.From)
		}
	}
	w.ps = left
	return nil
}

func orNone(s reshard.OwnerState) string {
	if s == "" {
		return "unknown"
	}
	return string(s)
}

// raise begins a new attempt: at the target first, so that nothing sent by an
// earlier one takes effect there any more, then at the source, which is active
// after it whatever it was.
func (w *work) raise(ctx context.Context) error {
	w.attempt++
	epochs := make([]int64, len(w.ps))
	for i, p := range w.ps {
		epochs[i] = int64(w.epochs[p])
	}
	tag, err := execPatiently(ctx, w.t, `INSERT INTO control.partition_owner AS o (partition, state, epoch, peer, move_id, attempt)
		SELECT p, 'incoming', e, $3, $4, $5 FROM unnest($1::int[], $2::bigint[]) u(p, e)
		ON CONFLICT (partition) DO UPDATE SET state = 'incoming', epoch = excluded.epoch, peer = excluded.peer, move_id = excluded.move_id,
			attempt = excluded.attempt, capture = false, cleaned = false, fenced_at = NULL
			WHERE o.state IN ('gone', 'incoming') AND o.attempt < excluded.attempt`,
		w.ps, epochs, string(w.g.From), w.g.Reshard, w.attempt)
	if err != nil {
		return err
	}
	if int(tag.RowsAffected()) != len(w.ps) {
		return errZombie
	}
	tag, err = w.s.Exec(ctx, `UPDATE control.partition_owner SET state = 'active', peer = $2, move_id = $3, attempt = $4, capture = false, fenced_at = NULL
		WHERE partition = ANY($1) AND state IN ('active', 'fenced') AND attempt < $4`, w.ps, string(w.g.To), w.g.Reshard, w.attempt)
	if err != nil {
		return err
	}
	if int(tag.RowsAffected()) != len(w.ps) {
		return errZombie
	}
	return nil
}

// execPatiently runs a statement that may have to wait for the transaction of a
// mover that does not go on, and ends that mover's session if it may.
func execPatiently(ctx context.Context, conn *pgx.Conn, sql string, args ...any) (pgconn.CommandTag, error) {
	tag, err := conn.Exec(ctx, sql, args...)
	if sqlState(err) != "55P03" {
		return tag, err
	}
	_, kerr := conn.Exec(ctx, `SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid
		WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.application_name IN ('gori move target', 'gori move load')
			AND l.relation = 'control.partition_owner'::regclass AND l.mode = 'RowShareLock'`)
	if kerr != nil {
		return tag, errors.Join(err, kerr)
	}
	return conn.Exec(ctx, sql, args...)
}

// Close implements reshard.Work.
func (w *work) Close() {
	for _, at := range w.sessions() {
		w.e.giveBack(*at.conn, at.id, at.purpose)
		*at.conn = nil // from now on somebody else's
	}
	w.keepS.close()
	w.keepT.close()
	w.drop(nil)
}

// bound makes ctx end when the claim is lost.
func (w *work) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(w.ctx, func() { cancel(context.Cause(w.ctx)) })
	return ctx, func() { stop(); cancel(nil) }
}

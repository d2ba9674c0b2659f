package move

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard/reshard"
)

const (
	// fenceAtOnce is how many partitions are fenced together, fenceBusy how many of
	// them that are written to: their writers wait for each other.
	fenceAtOnce = 32
	fenceBusy   = 8
	// fencedKeys is how many touched keys a fence is begun with at most: looking
	// at more would not fit the budget.
	fencedKeys = 1500
	// takeBack is kept of the budget for taking a fence back.
	takeBack = 15 * time.Millisecond
	// hangAfter is how long after the budget an answer is waited for at all.
	hangAfter = 400 * time.Millisecond
)

// Cut implements reshard.Work.
func (w *work) Cut(ctx context.Context) ([]reshard.Receipt, error) {
	ctx, done := w.bound(ctx)
	defer done()
	fences, err := w.cut(ctx)
	if err != nil {
		w.noteError(err)
	}
	receipts, rerr := w.receipts(context.WithoutCancel(ctx), fences)
	if rerr == nil && len(fences) > 0 {
		w.e.cfg.At.Pass("receipt")
	}
	// A BudgetError stays what it is; see reshard.Work.
	if err == nil {
		err = rerr
	}
	return receipts, err
}

// cut hands over what is left, some partitions after others, and returns the
// fences that led to a commit.
func (w *work) cut(ctx context.Context) (fences []*fence, err error) {
	if len(w.switched) > 0 {
		f, err := w.forwardLate(ctx)
		if err != nil {
			return nil, err
		}
		fences = append(fences, f)
	}
	if len(w.ps) > 0 && !w.verified {
		return fences, errors.New("this was not filled and verified")
	}
	for len(w.ps) > 0 {
		f := &fence{ps: w.together()}
		err := w.cutPart(ctx, f)
		if f.switched {
			fences = append(fences, f)
		}
		if err != nil {
			return fences, err
		}
	}
	return fences, nil
}

// together chooses the partitions of the next fence, in order.
func (w *work) together() (ps []int32) {
	busy := 0
	for _, p := range w.ps {
		if w.counts[p].followed > 0 {
			if busy++; busy > fenceBusy {
				continue
			}
		}
		if ps = append(ps, p); len(ps) == fenceAtOnce {
			break
		}
	}
	return ps
}

// fence is one cut of some partitions.
type fence struct {
	ps      []int32
	began   time.Time // of asking for the lock: writers wait since then
	dirt    *dirt
	keys    map[dirtyKey]int32 // all to compare
	changes []*changes
	until   time.Time // by the target's clock: a commit that begins later would be too late
	sent    bool      // the commit may have reached the target
	at      time.Time
	pause   time.Duration
	late    bool // the commit was found out later: the target's sums are not known
	// switched says that the target is active.
	switched bool
}

// cutPart fences partitions and hands them over, or takes everything back.
func (w *work) cutPart(ctx context.Context, f *fence) error {
	if err := w.reduce(ctx, f.ps, nil); err != nil {
		return err
	}
	keys := 0
	for _, list := range w.touchedKeys(f.ps) {
		keys += len(list)
	}
	if keys > fencedKeys {
		return &reshard.BehindError{Dirty: int64(keys)}
	}
	if err := w.hurry(true); err != nil {
		return err
	}
	defer func() { _ = w.hurry(false) }()
	if err := w.open(ctx, f); err != nil {
		return err
	}
	f.began = w.e.cfg.Now()
	if err := w.handOver(ctx, f); err != nil {
		if err := w.takeBack(ctx, f, err); err != nil {
			return err
		}
	}
	f.switched = true
	in := func(p int32) bool { return slices.Contains(f.ps, p) }
	w.ps = slices.DeleteFunc(w.ps, in)
	maps.DeleteFunc(w.touched, func(_ dirtyKey, p int32) bool { return in(p) })
	w.e.cfg.At.Pass("activated")
	if err := w.forward(ctx, f.ps); err != nil {
		return err
	}
	f.pause = w.e.cfg.Now().Sub(f.began)
	w.e.cfg.At.Pass("forwarded")
	return nil
}

func (w *work) hurry(on bool) error {
	return errors.Join(w.keepS.hurry(on), w.keepT.hurry(on))
}

// open begins the target's transaction before anybody has to wait.
func (w *work) open(ctx context.Context, f *fence) error {
	var b pgx.Batch
	w.enter(&b, f.ps)
	b.Queue(sqlInTime, w.e.cfg.Now().Add(farOff)) // prepares it
	b.Queue("SET LOCAL idle_in_transaction_session_timeout = '" + w.e.hurryAfter() + "'")
	return w.batch(ctx, w.t, &b)
}

// left returns how much of the budget is left, less what taking it back needs.
func (w *work) left(f *fence) time.Duration {
	return w.e.cfg.Budget - takeBack - w.e.cfg.Now().Sub(f.began)
}

// handOver is the fence: all until the target's commit.
func (w *work) handOver(ctx context.Context, f *fence) error {
	ctx, cancel := context.WithTimeout(ctx, w.e.cfg.Budget+hangAfter)
	defer cancel()
	if err := w.shut(ctx, f); err != nil {
		return err
	}
	w.e.cfg.At.Pass("fenced")
	if err := w.last(ctx, f); err != nil {
		return err
	}
	w.e.cfg.At.Pass("delta")
	if w.tooLate(f) {
		return w.overBudget(f)
	}
	return w.activate(ctx, f)
}

// tooLate says that a commit at the target would not fit the budget any more.
func (w *work) tooLate(f *fence) bool {
	commit := w.e.commits.last(w.g.To)
	if w.left(f) >= commit*3/2 {
		return false
	}
	// One commit may have met a slow moment of the disk. A fence that is taken back
	// measures none, so what is remembered has to fade: else no fence would ever be
	// long enough again.
	w.e.commits.note(w.g.To, commit/2)
	return true
}

func (w *work) overBudget(f *fence) error {
	return &reshard.BudgetError{Budget: w.e.cfg.Budget, Fenced: w.e.cfg.Now().Sub(f.began)}
}

const sqlDirtyAll = "SELECT id, partition, tbl, key::text FROM control.partition_dirty WHERE partition = ANY($1) ORDER BY id"

// shut waits for the writers inside, keeps others out, and reads which keys are
// left, in one round trip. The fence is on the disk before anything follows
// from it.
func (w *work) shut(ctx context.Context, f *fence) error {
	var b pgx.Batch
	b.Queue("BEGIN")
	b.Queue("SELECT set_config('lock_timeout', $1, true), set_config('synchronous_commit', 'on', true)", fmt.Sprintf("%dms", max(w.left(f)/2, time.Millisecond).Milliseconds()))
	b.Queue(sqlLockGate, f.ps)
	b.Queue(onlyIf(`UPDATE control.partition_owner SET state = 'fenced', fenced_at = clock_timestamp()
		WHERE partition = ANY($1) AND state = 'active' AND move_id = $2 AND attempt = $3 RETURNING 1`), f.ps, w.g.Reshard, w.attempt, len(f.ps))
	b.Queue("COMMIT")
	b.Queue(sqlDirtyAll, f.ps).Query(func(rows pgx.Rows) (err error) {
		f.dirt, err = readDirty(rows, nil)
		return err
	})
	err := w.batch(ctx, w.s, &b)
	if code := sqlState(err); code == "55P03" || code == "40P01" {
		// Writers take too long to end; nobody else was kept waiting for nothing.
		return errors.Join(w.overBudget(f), err)
	}
	return err
}

// last brings the last rows over and compares every row touched since the
// digests: one round trip to the source, one to the target.
func (w *work) last(ctx context.Context, f *fence) error {
	f.keys = map[dirtyKey]int32{}
	by := w.touchedKeys(f.ps)
	for k, p := range w.touched {
		if slices.Contains(f.ps, p) {
			f.keys[k] = p
		}
	}
	for k, p := range f.dirt.part {
		if _, known := f.keys[k]; !known {
			f.keys[k] = p
			by[k.table] = append(by[k.table], k.key)
		}
		// Should the fence be taken back, these were found by a round too.
		w.touched[k] = p
	}
	jobs := jobsOf(by)
	var atS pgx.Batch
	images := map[string]*[][]byte{}
	for table, keys := range f.dirt.keys {
		list := &[][]byte{}
		images[table] = list
		atS.Queue(w.byName[table].images, jsonList(keys)).Query(func(rows pgx.Rows) error {
			var i int
			var image []byte
			_, err := pgx.ForEachRow(rows, []any{&i, &image}, func() error {
				*list = append(*list, slices.Clone(image))
				return nil
			})
			return err
		})
	}
	src := w.queueHashes(&atS, jobs)
	if atS.Len() > 0 {
		if err := w.batch(ctx, w.s, &atS); err != nil {
			return err
		}
	}
	if w.tooLate(f) {
		return w.overBudget(f)
	}
	return w.lastAtTarget(ctx, f, jobs, src, images)
}

func (w *work) lastAtTarget(ctx context.Context, f *fence, jobs, src []*hashJob, images map[string]*[][]byte) error {
	var atT pgx.Batch
	atT.Queue("SELECT set_config('statement_timeout', $1, true)", fmt.Sprintf("%dms", max(w.left(f), time.Millisecond).Milliseconds()))
	for table, keys := range f.dirt.keys {
		f.changes = append(f.changes, w.change(&atT, w.byName[table], keys, *images[table]))
	}
	dst := w.queueHashes(&atT, jobs)
	// Nothing comes of it before the commit, which is sent by itself.
	atT.Queue(onlyIf(`UPDATE control.partition_owner SET state = 'active', epoch = epoch + 1, peer = '', capture = false, fenced_at = NULL, cleaned = false
		WHERE partition = ANY($1) AND state = 'incoming' AND move_id = $2 AND attempt = $3 RETURNING 1`), f.ps, w.g.Reshard, w.attempt, len(f.ps))
	var now time.Time
	atT.Queue("SELECT clock_timestamp()").QueryRow(func(row pgx.Row) error { return row.Scan(&now) })
	if err := w.t.SendBatch(ctx, &atT).Close(); err != nil {
		if sqlState(err) == "57014" {
			return errors.Join(w.overBudget(f), err)
		}
		return zombie(err)
	}
	// That clock is later by now, so this is rather too early than too late.
	f.until = now.Add(w.left(f) - w.e.commits.last(w.g.To))
	return w.compareHashes(src, dst, f.keys)
}

// activate is the commit point. A commit cannot be called back once it has begun,
// so the target looks at its clock right before.
func (w *work) activate(ctx context.Context, f *fence) error {
	var b pgx.Batch
	b.Queue(sqlInTime, f.until)
	b.Queue("COMMIT")
	f.sent = true
	begun := w.e.cfg.Now()
	if err := w.t.SendBatch(ctx, &b).Close(); err != nil {
		if sqlState(err) == "22012" { // so what follows it was not done
			f.sent = false
			return errors.Join(w.overBudget(f), err)
		}
		return err
	}
	f.at = w.e.cfg.Now()
	took := f.at.Sub(begun)
	w.e.commits.note(w.g.To, max(took, (3*w.e.commits.last(w.g.To)+took)/4))
	for _, c := range f.changes {
		w.count(c)
	}
	for _, p := range f.dirt.part {
		w.counts[p].followed++
	}
	return nil
}

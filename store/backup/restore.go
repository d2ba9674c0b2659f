package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/store"
)

// RestoreOptions of Restore.
type RestoreOptions struct {
	From string
	// Shards are empty databases, as many as wished.
	Shards []store.ShardConfig
	Now    func() time.Time // default time.Now
	// EndLogins says that everybody is to log in again.
	EndLogins bool
	// Loaded is called after each file.
	Loaded func(f ManifestFile)
}

// Restored is what Restore did.
type Restored struct {
	Manifest *Manifest        `json:"-"`
	Shards   map[shard.ID]int `json:"shards"` // partitions of each
	Tables   map[string]Sum   `json:"tables"` // read back and equal to the backup's
	Rows     int64            `json:"rows"`
	Took     float64          `json:"took_s"`
	Ring     string           `json:"ring"` // hash of the new ring document
}

// NotEmptyError says that a database to restore into holds something.
type NotEmptyError struct {
	Shard      shard.ID
	Unfinished bool // of a restore that did not come to its end
}

func (e *NotEmptyError) Error() string {
	if e.Unfinished {
		return fmt.Sprintf("the database of shard %s holds a restore that did not come to its end: drop and make it again, then restore again", e.Shard)
	}
	return fmt.Sprintf("the database of shard %s is not empty: a restore needs empty ones", e.Shard)
}

// unfinishedMove marks the partitions of a shard that is being restored.
const unfinishedMove = "restore"

// target is a shard being loaded.
type target struct {
	store.ShardConfig
	conn  *pgx.Conn
	owned []int32
}

// Restore loads a backup into empty shards, each partition where a new ring
// puts it, reads everything back and compares, and only then makes the shards
// serve. The backup is verified before anything is touched.
func Restore(ctx context.Context, o RestoreOptions) (*Restored, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	begun := time.Now()
	m, err := Read(o.From)
	if err != nil {
		return nil, err
	}
	if known := store.KnownSchema(); m.Schema > known {
		return nil, fmt.Errorf("the backup has schema %d and this gori knows %d: restore it with gori %s or a newer one", m.Schema, known, m.Gori)
	}
	if _, err := Verify(o.From); err != nil {
		return nil, err
	}
	ring, targets, err := layout(o.Shards)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, t := range targets {
			t.close(ctx)
		}
	}()
	if err := eachTarget(targets, func(t *target) error { return t.open(ctx) }); err != nil {
		return nil, err
	}
	if err := eachTarget(targets, func(t *target) error { return t.makeReady(ctx, m) }); err != nil {
		return nil, err
	}
	for _, f := range m.Files {
		if err := load(ctx, o.From, f, ring.Map, targets); err != nil {
			return nil, fmt.Errorf("restore %s: %w", f.Name, err)
		}
		if o.Loaded != nil {
			o.Loaded(f)
		}
	}
	done := &Restored{Manifest: m, Shards: map[shard.ID]int{}, Ring: ring.Hash()}
	if done.Tables, err = compare(ctx, m, targets); err != nil {
		return nil, err
	}
	if err := serve(ctx, o, m, ring, targets); err != nil {
		return nil, err
	}
	for _, t := range targets {
		done.Shards[t.ID] = len(t.owned)
	}
	done.Rows, _, _ = m.Totals()
	done.Took = time.Since(begun).Seconds()
	return done, nil
}

// layout makes the first ring of the restored system.
func layout(shards []store.ShardConfig) (*shard.Ring, []*target, error) {
	var ids []shard.ID
	for _, sc := range shards {
		ids = append(ids, sc.ID)
	}
	sm, err := shard.First(ids)
	if err != nil {
		return nil, nil, err
	}
	var targets []*target
	for _, sc := range shards {
		t := &target{ShardConfig: sc}
		for _, p := range sm.Owned(sc.ID) {
			t.owned = append(t.owned, int32(p))
		}
		targets = append(targets, t)
	}
	slices.SortFunc(targets, func(a, b *target) int { return cmp.Compare(a.ID, b.ID) })
	return shard.FirstRing(sm), targets, nil
}

func eachTarget(list []*target, do func(*target) error) error {
	return sideBySide(list, func(t *target) shard.ID { return t.ID }, do)
}

// open connects and makes sure that nothing is there.
func (t *target) open(ctx context.Context) (err error) {
	if t.conn, err = connect(ctx, t.ShardConfig, map[string]string{"application_name": "gori restore", "synchronous_commit": "off"}); err != nil {
		return err
	}
	var some, begun bool
	err = t.conn.QueryRow(ctx, `SELECT count(*) > 0, coalesce(bool_or(n.nspname = 'control' AND c.relname = 'partition_owner'), false)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'`).Scan(&some, &begun)
	if err != nil || !some {
		return err
	}
	if begun {
		err = t.conn.QueryRow(ctx, "SELECT coalesce(bool_and(move_id = $1), true) FROM control.partition_owner", unfinishedMove).Scan(&begun)
	}
	return errors.Join(&NotEmptyError{Shard: t.ID, Unfinished: begun}, err)
}

func (t *target) close(ctx context.Context) {
	if t.conn != nil {
		_ = t.conn.Close(context.WithoutCancel(ctx))
	}
}

// makeReady makes the backup's schema. Nothing is served until all is there.
func (t *target) makeReady(ctx context.Context, m *Manifest) error {
	if err := store.Prepare(ctx, t.ShardConfig, m.Schema); err != nil {
		return err
	}
	_, err := t.conn.Exec(ctx, `INSERT INTO control.partition_owner (partition, state, epoch, move_id)
		SELECT p, 'incoming', $2, $3 FROM unnest($1::int[]) p`, t.owned, m.Epoch+1, unfinishedMove)
	return err
}

// compare reads everything back.
func compare(ctx context.Context, m *Manifest, targets []*target) (map[string]Sum, error) {
	want := m.Tables()
	sums := make([]map[string]Sum, len(targets))
	err := eachTarget(targets, func(t *target) (err error) {
		sums[slices.Index(targets, t)], err = t.readBack(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	got := map[string]Sum{}
	for _, s := range sums {
		for name, sum := range s {
			got[name] = got[name].Plus(sum)
		}
	}
	for name, sum := range got {
		if sum != want[name] {
			return nil, fmt.Errorf("the restored %s has %d rows with digest %v, the backup %d with %v: nothing serves it", name, sum.Rows, sum.Digest, want[name].Rows, want[name].Digest)
		}
		delete(want, name)
	}
	for name, sum := range want {
		if sum.Rows > 0 {
			return nil, fmt.Errorf("%s is in the backup and not in the restored shards", name)
		}
	}
	return got, nil
}

// readBack digests what a shard now holds, by the queries of a backup.
func (t *target) readBack(ctx context.Context) (map[string]Sum, error) {
	tables, err := tablesOf(ctx, t.conn)
	if err != nil {
		return nil, err
	}
	sums := map[string]Sum{}
	for _, tb := range tables {
		var l lines
		if _, err := t.conn.PgConn().CopyTo(ctx, &l, "COPY ("+tb.filled(t.owned, nil)+") TO STDOUT"); err != nil {
			return nil, fmt.Errorf("read %s back: %w", tb.name, err)
		}
		sums[tb.name] = l.Sum
	}
	return sums, nil
}

// serve brings the schema to this program's, notes on every account that its
// devices know what may be no more, and gives each shard its partitions.
func serve(ctx context.Context, o RestoreOptions, m *Manifest, ring *shard.Ring, targets []*target) error {
	if err := store.MigrateAll(ctx, o.Shards, nil, nil); err != nil {
		return err
	}
	return eachTarget(targets, func(t *target) error {
		if _, err := t.conn.Exec(ctx, "ANALYZE"); err != nil {
			return err
		}
		return pgx.BeginFunc(ctx, t.conn, func(tx pgx.Tx) error {
			b := &pgx.Batch{}
			b.Queue("SET LOCAL synchronous_commit = on")
			b.Queue(sqlPass)
			b.Queue("UPDATE data.user_state SET generation = greatest(generation + 1, $1)", o.Now().UnixMilli())
			if o.EndLogins {
				b.Queue("DELETE FROM data.logins")
				b.Queue("DELETE FROM data.push_devices WHERE login_id <> 0")
			}
			b.Queue("UPDATE control.partition_owner SET state = 'active', move_id = '' WHERE move_id = $1", unfinishedMove)
			b.Queue("INSERT INTO control.ring_acceptor (doc) VALUES ($1) ON CONFLICT (one) DO UPDATE SET doc = excluded.doc", ring)
			return tx.SendBatch(ctx, b).Close()
		})
	})
}

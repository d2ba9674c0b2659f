package move

import (
	"context"
	"encoding/binary"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
)

const (
	drainKeys = 2000 // in one round of following
	drainNap  = 10 * time.Millisecond
	// steadyRounds that found no fewer keys than those before end the following.
	steadyRounds = 5
	applyBytes   = 8 << 20 // of rows in one transaction
	// behindAfter looks at which no fewer keys waited than ever before, following
	// is given up.
	behindAfter = 40
)

// follow brings changed rows over until few keys are left, or no fewer with
// each round: then as many change meanwhile, and a fence has to end it.
func (w *work) follow(ctx context.Context, pace reshard.Pace) error {
	least, worse, steady, last := int64(1)<<62, 0, 0, drainKeys
	reported := w.e.cfg.Now()
	for {
		n, err := w.drain(ctx, w.ps, pace)
		if err != nil {
			return err
		}
		if n < drainKeys {
			w.dirty.Store(int64(n))
			if n >= last {
				steady++
			}
			if last = n; n <= fewDirty || steady >= steadyRounds {
				return nil
			}
			continue
		}
		now := w.e.cfg.Now()
		if now.Sub(reported) < reportEach {
			continue
		}
		reported = now
		var waiting int64
		if err := w.s.QueryRow(ctx, "SELECT count(*) FROM control.partition_dirty WHERE partition = ANY($1)", w.ps).Scan(&waiting); err != nil {
			return err
		}
		w.dirty.Store(waiting)
		if waiting < least {
			least, worse = waiting, 0
		} else if worse++; worse >= behindAfter {
			return &reshard.BehindError{Dirty: waiting}
		}
		if err := w.note(ctx, shard.Following); err != nil {
			return err
		}
	}
}

// dirt is what a round of following found.
type dirt struct {
	ids  []int64
	keys map[string][]string // by table, each once
	part map[dirtyKey]int32
}

func (d *dirt) len() int { return len(d.ids) }

const sqlDirty = "SELECT id, partition, tbl, key::text FROM control.partition_dirty WHERE partition = ANY($1) ORDER BY id LIMIT $2"

func readDirty(rows pgx.Rows, err error) (*dirt, error) {
	if err != nil {
		return nil, err
	}
	d := &dirt{keys: map[string][]string{}, part: map[dirtyKey]int32{}}
	var id int64
	var p int32
	var k dirtyKey
	_, err = pgx.ForEachRow(rows, []any{&id, &p, &k.table, &k.key}, func() error {
		d.ids = append(d.ids, id)
		if _, known := d.part[k]; !known {
			d.part[k] = p
			d.keys[k.table] = append(d.keys[k.table], k.key)
		}
		return nil
	})
	return d, err
}

// drain is one round: keys noted at the source, their present rows brought over
// in transactions at the target, and only then the notes removed. It returns
// how many notes there were.
func (w *work) drain(ctx context.Context, ps []int32, pace reshard.Pace) (int, error) {
	d, err := readDirty(w.s.Query(ctx, sqlDirty, ps, drainKeys))
	if err != nil || d.len() == 0 {
		return 0, err
	}
	if w.watch {
		for k, p := range d.part {
			w.touched[k] = p
		}
	}
	bytes := 0
	for _, t := range w.tables {
		if keys := d.keys[t.name]; len(keys) > 0 {
			n, err := w.replace(ctx, ps, t, keys)
			if err != nil {
				return 0, err
			}
			bytes += n
		}
	}
	for _, p := range d.part {
		w.counts[p].followed++
	}
	if _, err := w.s.Exec(ctx, sqlForget, d.ids, w.g.Reshard, w.attempt); err != nil {
		return 0, err
	}
	if pace != nil {
		err = pace.Take(ctx, bytes)
	}
	return d.len(), err
}

const sqlForget = `DELETE FROM control.partition_dirty d USING control.partition_owner o
	WHERE d.id = ANY($1) AND o.partition = d.partition AND o.move_id = $2 AND o.attempt = $3`

// replace makes the rows of keys at the target what they are at the source now.
func (w *work) replace(ctx context.Context, ps []int32, t *statements, keys []string) (bytes int, err error) {
	rows, err := w.s.Query(ctx, t.images, jsonList(keys))
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var images [][]byte
	var these []string
	absent := make(map[int]bool, len(keys))
	for i := range keys {
		absent[i] = true
	}
	size := 0
	for rows.Next() {
		var i int
		var image []byte
		if err := rows.Scan(&i, &image); err != nil {
			return bytes, err
		}
		delete(absent, i-1)
		images, these = append(images, image), append(these, keys[i-1])
		size += len(image)
		if size >= applyBytes {
			if err := w.apply(ctx, ps, t, these, images); err != nil {
				return bytes, err
			}
			bytes += size
			images, these, size = nil, nil, 0
		}
	}
	if err := rows.Err(); err != nil {
		return bytes, err
	}
	for i := range absent {
		these = append(these, keys[i])
	}
	return bytes + size, w.apply(ctx, ps, t, these, images)
}

// apply replaces rows at the target in one transaction.
func (w *work) apply(ctx context.Context, ps []int32, t *statements, keys []string, images [][]byte) error {
	var b pgx.Batch
	w.enter(&b, ps)
	b.Queue("SET LOCAL synchronous_commit = off")
	change := w.change(&b, t, keys, images)
	b.Queue("COMMIT")
	if err := w.batch(ctx, w.t, &b); err != nil {
		return err
	}
	w.count(change)
	return nil
}

// change queues the removal of keys and the insertion of their rows. What it did
// to the digests is in the result once the batch has run.
func (w *work) change(b *pgx.Batch, t *statements, keys []string, images [][]byte) *changes {
	c := &changes{table: t.name, by: map[int32]digest{}}
	b.Queue(t.remove, jsonList(keys)).Query(func(rows pgx.Rows) error { return c.add(rows, -1) })
	if len(images) > 0 {
		b.Queue(t.insert, rowArray(t.row, images)).Query(func(rows pgx.Rows) error { return c.add(rows, 1) })
	}
	return c
}

// changes is what a transaction did to a table's digests, by partition.
type changes struct {
	table string
	by    map[int32]digest
}

func (c *changes) add(rows pgx.Rows, sign int64) error {
	var p int32
	var d digest
	_, err := pgx.ForEachRow(rows, []any{&p, &d.rows, &d.a, &d.b}, func() error {
		d.rows *= sign
		c.by[p] = c.by[p].plus(d)
		return nil
	})
	return err
}

// count takes changes that were committed into the sums.
func (w *work) count(c *changes) {
	for p, d := range c.by {
		w.add(p, c.table, d)
	}
}

func (w *work) add(p int32, table string, d digest) {
	if w.sums[p] == nil {
		w.sums[p] = map[string]digest{}
	}
	w.sums[p][table] = w.sums[p][table].plus(d)
}

func jsonList(keys []string) string { return "[" + strings.Join(keys, ",") + "]" }

// rowArray makes PostgreSQL's binary form of an array of rows.
func rowArray(element uint32, rows [][]byte) []byte {
	size := 20
	for _, r := range rows {
		size += 4 + len(r)
	}
	b := make([]byte, 0, size)
	for _, n := range []uint32{1, 0, element, uint32(len(rows)), 1} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	for _, r := range rows {
		b = binary.BigEndian.AppendUint32(b, uint32(len(r)))
		b = append(b, r...)
	}
	return b
}

package move

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
)

// digest is of a set of rows: how many, and two halves, each the exclusive or of
// the rows' hashes, so that rows are taken in and out in any order.
type digest struct{ rows, a, b int64 }

func (d digest) plus(o digest) digest { return digest{d.rows + o.rows, d.a ^ o.a, d.b ^ o.b} }

func (d digest) minus(o digest) digest { return digest{d.rows - o.rows, d.a ^ o.a, d.b ^ o.b} }

func (d digest) hex() string { return fmt.Sprintf("%016x%016x", uint64(d.a), uint64(d.b)) }

func (d digest) String() string { return fmt.Sprintf("%d rows, digest %s", d.rows, d.hex()) }

// bucket is a part of a table whose rows are digested together.
type bucket struct {
	partition int32
	table     string
	scope     string // value of the key's second column, if it has three
	number    int64  // of 1024 seqs, where the third is one
}

func (k bucket) compare(o bucket) int {
	return cmp.Or(cmp.Compare(k.table, o.table), cmp.Compare(k.partition, o.partition), cmp.Compare(k.scope, o.scope), cmp.Compare(k.number, o.number))
}

// name says which rows a bucket has.
func (w *work) name(k bucket) string {
	t := w.byName[k.table]
	if t == nil || k.scope == "" && len(t.key) < 3 {
		return "all rows"
	}
	s := t.key[1].Name + " " + k.scope
	if t.seqNamed {
		s += fmt.Sprintf(", %s %d to %d", t.key[2].Name, k.number<<seqShift, (k.number+1)<<seqShift-1)
	}
	return s
}

// verify compares all rows of both sides while they are written to.
//
// Each side is read in one snapshot: the source's is taken first, while nothing
// is being brought over, then the target's. From then on every key that a round
// of following finds is noted in touched. A row whose key is not among them
// once a round begun after both snapshots has ended is the same in the source's
// snapshot as now: a change that the snapshot does not have was committed
// later, and its key was found later. What changed before and had not been
// brought over when the target's snapshot was taken was found later too. So
// with the touched rows taken out of both, by their digests in the same two
// snapshots, the buckets must be equal. The touched rows are compared one by
// one in the fence.
func (w *work) verify(ctx context.Context) error {
	w.touched, w.watch, w.sums = map[dirtyKey]int32{}, true, map[int32]map[string]digest{}
	for _, conn := range []*pgx.Conn{w.bulkS, w.bulkT} {
		defer func() { _, _ = conn.Exec(context.WithoutCancel(ctx), "ROLLBACK") }()
		if err := snapshot(ctx, conn); err != nil {
			return err
		}
	}
	type side struct {
		of  map[bucket]digest
		err error
	}
	src, dst := make(chan side, 1), make(chan side, 1)
	run := func(conn *pgx.Conn, to chan<- side) {
		of, err := w.digestAll(ctx, conn)
		to <- side{of, err}
	}
	go run(w.bulkS, src)
	go run(w.bulkT, dst)
	a, b, err := side{}, side{}, error(nil)
	round := time.NewTimer(0)
	defer round.Stop()
	for got := 0; got < 2; {
		select {
		case a = <-src:
			got++
		case b = <-dst:
			got++
		case <-round.C:
			var n int
			if n, err = w.drain(ctx, w.ps, nil); err == nil && n < fewDirty {
				round.Reset(drainNap)
			} else if err == nil {
				round.Reset(0)
			}
		}
	}
	if err := cmp.Or(err, a.err, b.err); err != nil {
		return err
	}
	// Begun after both snapshots.
	if err := w.follow(ctx, nil); err != nil {
		return err
	}
	for k, d := range b.of {
		w.add(k.partition, k.table, d)
	}
	err = both(func() error { return w.takeOut(ctx, w.bulkS, a.of) }, func() error { return w.takeOut(ctx, w.bulkT, b.of) })
	if err != nil {
		return err
	}
	if err := w.compare(a.of, b.of); err != nil {
		return err
	}
	w.verified = true
	return nil
}

func snapshot(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, "SELECT 1")
	return err
}

func (w *work) digestAll(ctx context.Context, conn *pgx.Conn) (map[bucket]digest, error) {
	all := map[bucket]digest{}
	some, err := filled(ctx, conn, w.tables)
	if err != nil {
		return nil, err
	}
	var b pgx.Batch
	for _, t := range some {
		b.Queue(t.digests, w.ps).Query(func(rows pgx.Rows) error { return collect(rows, nil, t.name, all) })
	}
	return all, conn.SendBatch(ctx, &b).Close()
}

func collect(rows pgx.Rows, err error, table string, into map[bucket]digest) error {
	if err != nil {
		return err
	}
	k := bucket{table: table}
	var d digest
	_, err = pgx.ForEachRow(rows, []any{&k.partition, &k.scope, &k.number, &d.rows, &d.a, &d.b}, func() error {
		into[k] = d
		return nil
	})
	return err
}

const takeOutKeys = 5000

// takeOut removes the touched rows, as conn's snapshot has them, from digests.
func (w *work) takeOut(ctx context.Context, conn *pgx.Conn, of map[bucket]digest) error {
	for table, keys := range w.touchedKeys(nil) {
		for part := range slices.Chunk(keys, takeOutKeys) {
			these := map[bucket]digest{}
			rows, err := conn.Query(ctx, w.byName[table].touched, jsonList(part))
			if err := collect(rows, err, table, these); err != nil {
				return err
			}
			for k, d := range these {
				of[k] = of[k].minus(d)
			}
		}
	}
	return nil
}

// touchedKeys returns the keys to compare by table; of ps only, unless nil.
func (w *work) touchedKeys(ps []int32) map[string][]string {
	by := map[string][]string{}
	for k, p := range w.touched {
		if _, in := slices.BinarySearch(ps, p); in || ps == nil {
			by[k.table] = append(by[k.table], k.key)
		}
	}
	return by
}

func (w *work) compare(src, dst map[bucket]digest) error {
	var differ []bucket
	for k, d := range src {
		if dst[k] != d {
			differ = append(differ, k)
		}
	}
	for k, d := range dst {
		if _, known := src[k]; !known && d != (digest{}) {
			differ = append(differ, k)
		}
	}
	if len(differ) == 0 {
		return nil
	}
	k := slices.MinFunc(differ, bucket.compare)
	return &reshard.DigestError{Partition: shard.Partition(k.partition), Table: k.table, Bucket: w.name(k), Source: src[k].String(), Target: dst[k].String()}
}

package move

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
)

// rowHash is a row's digest.
type rowHash struct{ a, b int64 }

// hashJob asks one side for the digests of the rows of keys.
type hashJob struct {
	table string
	keys  []string
	got   map[int]rowHash // by place in keys
}

func jobsOf(by map[string][]string) []*hashJob {
	var jobs []*hashJob
	for table, keys := range by {
		for part := range slices.Chunk(keys, takeOutKeys) {
			jobs = append(jobs, &hashJob{table: table, keys: part})
		}
	}
	return jobs
}

// queueHashes asks for the jobs' digests in a batch; the answers are in the jobs
// returned.
func (w *work) queueHashes(b *pgx.Batch, jobs []*hashJob) []*hashJob {
	var mine []*hashJob
	for _, j := range jobs {
		m := &hashJob{table: j.table, keys: j.keys, got: map[int]rowHash{}}
		mine = append(mine, m)
		b.Queue(w.byName[j.table].hashes, jsonList(j.keys)).Query(func(rows pgx.Rows) error {
			var i int
			var h rowHash
			_, err := pgx.ForEachRow(rows, []any{&i, &h.a, &h.b}, func() error {
				m.got[i-1] = h
				return nil
			})
			return err
		})
	}
	return mine
}

const (
	reduceRounds = 4
	fewTouched   = 48
)

// reduce brings over what is left and strikes off touched keys whose rows are
// equal on both sides. No round of following lies between the two looks, and a
// later one notes again what has changed since the first.
func (w *work) reduce(ctx context.Context, ps []int32, pace reshard.Pace) error {
	for round := 0; ; round++ {
		for n := drainKeys; n >= drainKeys; {
			var err error
			if n, err = w.drain(ctx, ps, pace); err != nil {
				return err
			}
		}
		jobs := jobsOf(w.touchedKeys(ps))
		total := 0
		for _, j := range jobs {
			total += len(j.keys)
		}
		if total <= fewTouched || round == reduceRounds {
			return nil
		}
		var atS, atT pgx.Batch
		src, dst := w.queueHashes(&atS, jobs), w.queueHashes(&atT, jobs)
		if err := w.batch(ctx, w.s, &atS); err != nil {
			return err
		}
		if err := w.batch(ctx, w.t, &atT); err != nil {
			return err
		}
		for n, j := range src {
			for i, key := range j.keys {
				a, here := j.got[i]
				b, there := dst[n].got[i]
				if here == there && a == b {
					delete(w.touched, dirtyKey{j.table, key})
				}
			}
		}
	}
}

// compareHashes returns the first row that differs.
func (w *work) compareHashes(src, dst []*hashJob, part map[dirtyKey]int32) error {
	for n, j := range src {
		for i, key := range j.keys {
			a, here := j.got[i]
			b, there := dst[n].got[i]
			if here == there && a == b {
				continue
			}
			return &reshard.DigestError{Partition: shard.Partition(part[dirtyKey{j.table, key}]), Table: j.table, Bucket: "the row " + key,
				Source: sayHash(a, here), Target: sayHash(b, there)}
		}
	}
	return nil
}

func sayHash(h rowHash, there bool) string {
	if !there {
		return "no row"
	}
	return fmt.Sprintf("digest %s", digest{a: h.a, b: h.b}.hex())
}

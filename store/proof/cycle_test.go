package proof

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
	"gori/store/move"
	"gori/store/register"
	"gori/store/storetest"
)

// TestGrowAndShrink: a system goes from two shards to three and back again and
// again while people write. What nobody touches is the same to the bit, and
// nothing is left anywhere. Soaking, it goes from four to five.
func TestGrowAndShrink(t *testing.T) {
	t.Parallel()
	few, times := 2, 1
	if soaking {
		few, times = 4, 12
	}
	w := newTown(t, townOptions{shards: few, spare: 1, people: 4, rooms: 3, seed: seedOf(t)})
	before := w.begin(2, 3*time.Millisecond)
	before.more(300)
	before.end()
	w.quiet(w.grace)
	still := w.rooms[1:] // nobody writes there any more
	digest := w.digest(still)
	all := w.rooms
	w.rooms = all[:1]
	l := w.begin(2, 10*time.Millisecond)
	g := w.grower()
	defer g.reg.Close()
	spare := w.posts[few].id
	var size int64
	for n := range times {
		g.change(fmt.Sprint("grow", n), func(r *shard.Ring, p shard.Plan) (*shard.Ring, error) { return r.Add(spare, "@"+string(spare), p) })
		if counts := w.counts(); counts[spare] != shard.Partitions/(few+1) {
			t.Errorf("after growing: %v", counts)
		}
		g.change(fmt.Sprint("shrink", n), func(r *shard.Ring, p shard.Plan) (*shard.Ring, error) { return r.Remove(spare, p) })
		if counts := w.counts(); counts[spare] != 0 {
			t.Errorf("after shrinking: %v", counts)
		}
		if now := w.digest(still); now != digest {
			t.Errorf("round %d: what nobody touched has become\n%s\nit was\n%s", n, now, digest)
		}
		if n == 0 {
			size = w.size()
		}
	}
	l.end()
	w.mustBeRight(l)
	w.rooms = all
	w.mustBeTidy()
	t.Logf("%d bytes after the first round, %d after the last", size, w.size())
	if now := w.size(); now > 3*size+64<<20 {
		t.Errorf("the shards grew from %d to %d bytes", size, now)
	}
}

// grower reshards as gori reshard does.
type grower struct {
	w   *town
	reg *register.Register
}

func (w *town) grower() *grower {
	dsns := map[shard.ID]string{}
	for _, p := range w.posts {
		dsns[p.id] = p.dsn
	}
	return &grower{w, register.Open(register.Config{Shards: func() map[shard.ID]string { return dsns }, Timeout: 10 * time.Second})}
}

// change has the ring changed and carries out the plan until it is done and
// what has moved is cleaned.
func (g *grower) change(id string, next func(*shard.Ring, shard.Plan) (*shard.Ring, error)) {
	g.w.t.Helper()
	ctx, cancel := context.WithTimeout(g.w.t.Context(), 10*time.Minute)
	defer cancel()
	began := time.Now()
	plan := shard.Plan{ID: id, Slowdown: 100}
	ring, err := reshard.Update(ctx, g.reg, func(r *shard.Ring) (*shard.Ring, error) { return next(r, plan) })
	if err != nil {
		g.w.t.Fatal(err)
	}
	o := g.w.order("", "", nil, "")
	engine := o.engine(nil)
	var rows, worst int64
	runner := reshard.NewRunner(reshard.Config{Register: g.reg, Backend: engine, Receipts: func(list []reshard.Receipt) {
		for _, r := range list {
			rows, worst = rows+r.Rows, max(worst, r.PauseUS)
		}
	}})
	if err := runner.Run(ctx); err != nil {
		g.w.t.Fatalf("%s (%s %s): %v", id, ring.Plan.Kind, ring.Plan.Shard, err)
	}
	if _, err := runner.CleanOld(ctx, time.Now().Add(time.Hour)); err != nil {
		g.w.t.Fatalf("cleaning after %s: %v", id, err)
	}
	g.verify(ctx, engine, id)
	g.w.t.Logf("%s: %d rows, longest pause %.1f ms, done after %v", id, rows, float64(worst)/1000, time.Since(began).Round(time.Millisecond))
}

func (g *grower) verify(ctx context.Context, engine *move.Engine, id string) {
	g.w.t.Helper()
	proof, err := engine.Verify(ctx, id, nil)
	if err != nil || len(proof.Problems)+len(proof.Down) > 0 {
		g.w.t.Errorf("the receipts of %s: %+v, %v", id, proof, err)
	}
}

// counts are the partitions that each shard serves.
func (w *town) counts() map[shard.ID]int {
	n := map[shard.ID]int{}
	for _, owners := range w.owners() {
		for id, state := range owners {
			if state == "active" {
				n[id]++
			}
		}
	}
	return n
}

// digest is of all rows of rooms, wherever they are served.
func (w *town) digest(rooms []*room) string {
	w.t.Helper()
	var ids []int64
	for _, r := range rooms {
		ids = append(ids, int64(r.id))
	}
	sums := map[string][2]int64{}
	for _, at := range w.posts {
		w.with(at, func(ctx context.Context, conn *pgx.Conn) error {
			tables, err := movedTables(ctx, conn)
			if err != nil {
				return err
			}
			for _, t := range tables {
				if !strings.Contains(" "+strings.Join(t.key, " ")+" ", " channel_id ") {
					continue
				}
				var n, sum int64
				err := conn.QueryRow(ctx, "SELECT count(*), coalesce(bit_xor(hash_record_extended(t, 7)), 0) FROM data."+t.name+` t
					JOIN control.partition_owner o ON o.partition = t.partition AND o.state = 'active' WHERE t.channel_id = ANY($1)`, ids).Scan(&n, &sum)
				if err != nil {
					return err
				}
				sums[t.name] = [2]int64{sums[t.name][0] + n, sums[t.name][1] ^ sum}
			}
			return nil
		})
	}
	return fmt.Sprint(sums)
}

// size is how much all shards take.
func (w *town) size() int64 {
	w.t.Helper()
	var all int64
	for _, at := range w.posts {
		w.with(at, func(ctx context.Context, conn *pgx.Conn) error {
			var n int64
			err := conn.QueryRow(ctx, "SELECT pg_database_size(current_database())").Scan(&n)
			all += n
			return err
		})
	}
	return all
}

// TestTheTargetsDiskIsFull: a move onto a full disk fails with a word about it,
// its source goes on serving, and once there is space it comes to its end.
func TestTheTargetsDiskIsFull(t *testing.T) {
	t.Parallel()
	disk := storetest.NewSmallDisk(t)
	w := newTown(t, townOptions{shards: 2, people: 4, rooms: 1, durable: true, disk: disk, seed: seedOf(t)})
	l := w.begin(1, 8*time.Millisecond)
	l.more(300)
	o := w.order("a", "b", w.places("a"), "full")
	o.Step = "copying"
	m := w.launch(o)
	if !m.reach() {
		t.Fatalf("it does not begin: %v", m.said)
	}
	disk.Fill()
	m.tell("go on")
	m.end()
	said := strings.Join(m.said, "\n")
	t.Log(said)
	if !strings.Contains(said, "failed:") {
		t.Errorf("the move did not fail: %q", said)
	}
	acked := l.acked.Load()
	l.more(50)
	if n := l.acked.Load() - acked; n < 50 {
		t.Errorf("only %d calls were answered beside a full disk", n)
	}
	disk.Free()
	in := w.post("b").in
	if in.PID() == 0 || in.Done() == nil {
		if err := in.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.finish(o)
	l.end()
	w.mustBeRight(l)
	w.mustBeTidy()
}

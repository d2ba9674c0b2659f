package proof

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
)

// steps at which a mover is hit, in order.
var steps = []string{"claimed", "captured", "copying", "copied", "followed", "verified", "fenced", "delta", "activated", "forwarded", "receipt", "cleaning", "cleaned"}

// hits are what can happen there.
var hits = []string{"kill", "freeze", "source", "target", "rival", "schema"}

// crash is one case: what happens at which step.
type crash struct{ step, hit string }

// drawn are the cases of a run: all of them, or those that matter most and a few
// others.
func drawn(rng *rand.Rand) []crash {
	var all []crash
	for _, s := range steps {
		for _, h := range hits {
			all = append(all, crash{s, h})
		}
	}
	rng.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	if soaking {
		return all
	}
	// One that is frozen before the fence keeps its claim for 15 s.
	slow := func(c crash) bool {
		return c.hit == "freeze" && !slices.Contains([]string{"fenced", "delta", "activated"}, c.step)
	}
	return append([]crash{{"fenced", "kill"}, {"activated", "kill"}}, slices.DeleteFunc(all, slow)[:4]...)
}

// TestTheCrashMatrix: whoever dies at whichever step of a move, the move comes to
// its end when it is begun again, and nothing acknowledged is lost, doubled or
// stale.
func TestTheCrashMatrix(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	w := newTown(t, townOptions{shards: 2, people: 4, rooms: 1, durable: true, seed: seed})
	watch, stop := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() { // as the nodes do
		defer close(watched)
		w.order("a", "b", nil, "").engine(nil).Watch(watch)
	}()
	defer func() { stop(); <-watched }()
	l := w.begin(1, 15*time.Millisecond)
	from, to := shard.ID("a"), shard.ID("b")
	for n, c := range drawn(rng) {
		ps := w.places(from)
		if len(ps) == 0 {
			from, to = to, from
			ps = w.places(from)
		}
		if rng.IntN(2) == 0 {
			ps = ps[:1+rng.IntN(len(ps))] // the next one goes on with the rest
		}
		began := time.Now()
		o := w.order(from, to, ps, fmt.Sprint("m", n))
		o.Clean, o.Step = true, c.step
		w.strike(o, c)
		w.finish(o)
		t.Logf("%s at %s: %d partitions from %s to %s, done after %v", c.hit, c.step, len(ps), from, to, time.Since(began).Round(time.Millisecond))
		if t.Failed() {
			break
		}
	}
	l.end()
	w.mustBeRight(l)
	w.mustBeTidy()
}

// strike begins a move and hits it.
func (w *town) strike(o moveOrder, c crash) {
	w.t.Helper()
	m := w.launch(o)
	if !m.reach() {
		m.end()
		return // nothing was there to clean, say; finish sees what is missing
	}
	switch c.hit {
	case "kill":
		m.tell("die")
	case "freeze":
		m.tell("freeze")
		w.waitStopped(m)
		w.finish(o) // another one takes over while it sleeps
		_ = m.cmd.Process.Signal(syscall.SIGCONT)
	case "source", "target":
		at := o.From
		if c.hit == "target" {
			at = o.To
		}
		in := w.post(at).in
		in.Kill()
		m.tell("go on")
		rest(w.t.Context(), 300*time.Millisecond)
		if err := in.Start(w.t.Context()); err != nil {
			w.t.Error(err)
		}
	case "rival":
		rival := o
		rival.Step, rival.Clean = "", false
		err := rival.carryOut(w.t.Context(), nil)
		w.t.Logf("the rival: %v", err)
		m.tell("go on")
	case "schema":
		w.mustBeLocked(o, c)
		m.tell("go on")
	}
	m.end()
}

func (w *town) waitStopped(m *mover) {
	w.t.Helper()
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(m.cmd.Process.Pid, &ws, syscall.WUNTRACED, nil); err != nil || !ws.Stopped() {
		w.t.Errorf("the mover did not stop: %v %v", err, ws)
	}
}

// mustBeLocked: while a mover is at work no schema changes.
func (w *town) mustBeLocked(o moveOrder, c crash) {
	w.t.Helper()
	at := w.post(o.From)
	w.with(at, func(ctx context.Context, conn *pgx.Conn) error {
		var got bool
		err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock(79, 0)").Scan(&got)
		if got && c.step != "cleaned" {
			w.t.Errorf("at %s a migration might begin on %s", c.step, at.id)
		}
		return err
	})
}

// finish carries out an order, however often that takes, and demands that it is.
func (w *town) finish(o moveOrder) {
	w.t.Helper()
	o.Step, o.Clean = "", true
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Minute)
	defer cancel()
	var err error
	for tries := 0; ; tries++ {
		if err = o.carryOut(ctx, nil); err == nil {
			break
		}
		if ctx.Err() != nil {
			w.t.Errorf("the move is not finished after %d tries: %v", tries, err)
			return
		}
		rest(ctx, 100*time.Millisecond)
	}
	owners := w.owners()
	for _, p := range o.Partitions {
		if own := owners[p]; own[o.To] != "active" || own[o.From] != "gone" {
			w.t.Errorf("partition %v after its move from %s to %s: %v", p, o.From, o.To, own)
		}
	}
}

// mustBeTidy: every partition has one owner, and nothing is left anywhere of what
// has moved.
func (w *town) mustBeTidy() {
	w.t.Helper()
	for p, owners := range w.owners() {
		n := 0
		for _, state := range owners {
			if state == "active" {
				n++
			} else if state != "gone" {
				n += 10
			}
		}
		if n != 1 {
			w.t.Errorf("partition %v: %v", p, owners)
		}
	}
	for _, at := range w.posts {
		w.with(at, func(ctx context.Context, conn *pgx.Conn) error {
			tables, err := movedTables(ctx, conn)
			if err != nil {
				return err
			}
			for _, table := range tables {
				var n int
				err := conn.QueryRow(ctx, "SELECT count(*) FROM data."+table.name+` t WHERE NOT EXISTS
					(SELECT FROM control.partition_owner o WHERE o.partition = t.partition AND o.state = 'active')`).Scan(&n)
				if err != nil {
					return err
				}
				if n > 0 {
					w.t.Errorf("shard %s: %d rows of %s that it does not serve", at.id, n, table.name)
				}
			}
			var dirty, slots, locks int
			err = conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM control.partition_dirty), (SELECT count(*) FROM pg_replication_slots),
				(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid IN (78, 79)
					AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&dirty, &slots, &locks)
			if dirty+slots+locks > 0 {
				w.t.Errorf("shard %s: %d keys noted, %d slots, %d locks", at.id, dirty, slots, locks)
			}
			return err
		})
	}
}

package proof

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
)

// gateBody is control.gate as the migrations have it, with a door after it has
// looked; see race.
const gateBody = `CREATE OR REPLACE FUNCTION control.gate(ps int[]) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    p       int;
    n       int;
    noting  bool;
    ignored text;
BEGIN
    LOCK
    LOOK
    IF n <> cardinality(ps) THEN
        RAISE EXCEPTION 'partition not active here' USING ERRCODE = 'GR001';
    END IF;
    PERFORM set_config('lock_timeout', '0', true);
    PERFORM pg_advisory_xact_lock_shared(4711, 0);
    ignored := set_config('gori.gate', coalesce(current_setting('gori.gate', true), '') || '/' || array_to_string(ps, '/') || '/', true);
    IF noting THEN
        ignored := set_config('gori.capture', 'on', true);
    END IF;
END $$`

const (
	gateLock = `FOREACH p IN ARRAY ps LOOP PERFORM pg_advisory_xact_lock_shared(77, p); END LOOP;`
	gateLook = `SELECT count(*), bool_or(o.capture) INTO n, noting FROM control.partition_owner o WHERE o.partition = ANY (ps) AND o.state = 'active';`
	// The snapshot is taken before the wait for the lock.
	gateLookLocking = `WITH l AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(77, q) FROM unnest(ps) q)
		SELECT count(*), bool_or(o.capture) INTO n, noting FROM (SELECT count(*) FROM l) locked, control.partition_owner o
		WHERE o.partition = ANY (ps) AND o.state = 'active';`
)

func (w *town) setGate(lock, look string) {
	w.t.Helper()
	for _, at := range w.posts {
		w.with(at, func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, strings.NewReplacer("LOCK", lock, "LOOK", look).Replace(gateBody))
			return err
		})
	}
}

// TestTheMutants: each of the three known ways to lose messages must be found by
// the checker, and the same thing done right must not be.
func TestTheMutants(t *testing.T) {
	for _, m := range []struct {
		name       string
		lock, look string
		watermark  bool
		right      bool
	}{
		{name: "as it is", lock: gateLock, look: gateLook, right: true},
		{name: "the gate without the lock", look: gateLook},
		{name: "lock and look in one statement", look: gateLookLocking},
		{name: "copying by a watermark", lock: gateLock, look: gateLook, watermark: true},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			seed := seedOf(t)
			w := newTown(t, townOptions{shards: 2, people: 4, rooms: 1, seed: seed})
			w.setGate(m.lock, m.look)
			if !m.right { // what is lost stays so
				w.patience, w.grace = 2*time.Second, 200*time.Millisecond
			}
			p := shard.Of(w.rooms[0].id)
			if w.owners()[p]["a"] != "active" {
				w.posts[0], w.posts[1] = w.posts[1], w.posts[0]
			}
			v := w.check(w.toAndFro(2, []shard.Partition{p}, func(h *hand, l *load) {
				h.watermark = m.watermark
				h.race = &race{w: w, load: l, at: h.from}
			}))
			t.Log(v)
			switch {
			case m.right && v.total() > 0:
				t.Errorf("%v\n%s", v, strings.Join(v.words, "\n"))
			case !m.right && v.lost+v.doubled+v.disorder+v.stale == 0:
				t.Errorf("the checker did not notice it: %v", v)
			}
		})
	}
}

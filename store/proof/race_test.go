package proof

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// race brings a writer and a fence into the one order in which a wrong gate
// loses what is written, however fast or slow either is: the gate of the tests,
// once it has looked, stops at a door, the advisory lock (4711, 0), which the
// race holds shut from before the fence until the partition has moved. It opens
// the door when the fence waits for a writer, as it must where the gate locks.
type race struct {
	w    *town
	load *load
	at   post

	pid    uint32 // of the mover's connection
	door   *pgx.Conn
	opened chan struct{}
	stop   context.CancelFunc
}

const raceBound = 20 * time.Second // for what may never come

// begin shuts the door and waits until a writer stands before it; then it
// watches whether the fence waits for that writer.
func (r *race) begin(ctx context.Context, mover *pgx.Conn) (err error) {
	r.load.more(60) // after the copy and before the fence something changes
	r.pid = mover.PgConn().PID()
	if r.door, err = pgx.Connect(ctx, r.at.dsn); err != nil {
		return err
	}
	if err = r.shut(ctx); err != nil {
		return err
	}
	r.until(ctx, "l.objid = 0 AND l.classid = 4711")
	watch, stop := context.WithCancel(ctx)
	r.stop, r.opened = stop, make(chan struct{})
	look, err := pgx.Connect(ctx, r.at.dsn)
	if err != nil {
		return err
	}
	go func() {
		defer close(r.opened)
		defer look.Close(ctx)
		for watch.Err() == nil {
			var waits bool
			err := look.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)", r.pid).Scan(&waits)
			if err != nil || waits {
				_ = r.open(ctx)
				return
			}
			rest(watch, time.Millisecond)
		}
	}()
	return nil
}

func (r *race) shut(ctx context.Context) error {
	_, err := r.door.Exec(ctx, "SELECT pg_advisory_lock(4711, 0)")
	return err
}

func (r *race) open(ctx context.Context) error {
	_, err := r.door.Exec(ctx, "SELECT pg_advisory_unlock_all()")
	return err
}

// locked is when the fence has its lock and has not written yet: a writer comes
// and waits for that lock, or, if its gate does not lock, at the door.
func (r *race) locked(ctx context.Context) {
	r.stop()
	<-r.opened
	if r.shut(ctx) == nil {
		r.until(ctx, "l.classid IN (77, 4711)")
	}
}

// end opens the door for good.
func (r *race) end(ctx context.Context) {
	if r.stop != nil {
		r.stop()
		<-r.opened
	}
	if r.door != nil {
		_ = r.door.Close(ctx)
	}
}

// until waits until somebody waits for an advisory lock.
func (r *race) until(ctx context.Context, which string) {
	for end := time.Now().Add(raceBound); time.Now().Before(end); rest(ctx, time.Millisecond) {
		var some bool
		err := r.door.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND NOT l.granted
			AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.pid <> $1 AND `+which+")", r.pid).Scan(&some)
		if err != nil || some {
			return
		}
	}
}

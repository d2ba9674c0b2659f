package move

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
)

// A session is dear: PostgreSQL makes a process for it, which reads the catalog
// about all that it is asked for, and plans each statement anew. So the groups
// of a reshard use the same ones one after the other.

const (
	restTime  = 5 * time.Second // that a session waits for its next use
	restsMost = 32
)

// lending are the sessions that wait for their next use.
type lending struct {
	mu    sync.Mutex
	rest  []resting
	timer *time.Timer // ends what has waited for too long; nil: nothing waits
	ended bool

	leaving sync.WaitGroup // of dismiss; begun under mu, before ended
}

type resting struct {
	conn    *pgx.Conn
	id      shard.ID
	purpose string
	since   time.Time
}

// lend is dial, or gives a session of the same purpose that was given back.
func (e *Engine) lend(ctx context.Context, id shard.ID, purpose string, more ...string) (*pgx.Conn, error) {
	if conn := e.lending.pick(id, purpose); conn != nil {
		// It may be another server's by now that is the primary.
		if e.checkPrimary(ctx, conn, id) == nil {
			return conn, nil
		}
		hangUp(conn)
	}
	return e.dial(ctx, id, purpose, more...)
}

// giveBack keeps a session for its next use, if it is as good as new. nil is
// none.
func (e *Engine) giveBack(conn *pgx.Conn, id shard.ID, purpose string) {
	good := conn != nil && !conn.IsClosed() && !conn.PgConn().IsBusy() && conn.PgConn().TxStatus() == 'I'
	if !good || !e.lending.keep(resting{conn, id, purpose, time.Now()}) {
		hangUp(conn)
	}
}

func (l *lending) pick(id shard.ID, purpose string) *pgx.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, r := range l.rest {
		if r.id == id && r.purpose == purpose {
			l.rest = slices.Delete(l.rest, i, i+1)
			return r.conn
		}
	}
	return nil
}

func (l *lending) keep(r resting) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || len(l.rest) >= restsMost {
		return false
	}
	l.rest = append(l.rest, r)
	if l.timer == nil {
		l.timer = time.AfterFunc(restTime, l.dismiss)
	}
	return true
}

// dismiss ends the sessions that have waited for too long. A server that does
// not answer takes its time over it, which nobody waits for but Close.
func (l *lending) dismiss() {
	l.mu.Lock()
	l.timer = nil
	if l.ended {
		l.mu.Unlock()
		return
	}
	l.leaving.Add(1)
	defer l.leaving.Done()
	var old []resting
	l.rest = slices.DeleteFunc(l.rest, func(r resting) bool {
		if time.Since(r.since) < restTime {
			return false
		}
		old = append(old, r)
		return true
	})
	if len(l.rest) > 0 {
		l.timer = time.AfterFunc(restTime/2, l.dismiss)
	}
	l.mu.Unlock()
	for _, r := range old {
		hangUp(r.conn)
	}
}

// Close ends the sessions that are kept for a next use; none is kept any more.
func (e *Engine) Close() {
	l := &e.lending
	l.mu.Lock()
	l.ended = true
	if l.timer != nil {
		l.timer.Stop()
	}
	rest := l.rest
	l.rest = nil
	l.mu.Unlock()
	for _, r := range rest {
		hangUp(r.conn)
	}
	l.leaving.Wait()
}
